"""A gate without parameters: each channel is weighed by its own mean."""

from __future__ import annotations

from typing import Literal

from archspec import Builder, Offer, Offers, Options, Value, hookimpl


class GatherOptions(Options):
    """Options of the gate."""

    gate: Literal["sigmoid", "hard-sigmoid"] = "sigmoid"
    """What makes a factor of the mean."""


def gather(net: Builder, x: Value, options: GatherOptions, block_channels: int) -> Value:
    """x * sigmoid(mean(x)): (C, H, W) -> (C, H, W).  Hu et al. 2018, gather-excite without parameters.

    `block_channels` are those that enter the block. A scope of the role "gate" adds no receptive field.
    """
    function = {"sigmoid": "Sigmoid", "hard-sigmoid": "Hardsigmoid"}[options.gate]
    with net.scope("attention", role="gate"):
        return net.multiply(x, net.activation(net.channel_mean(x), function, name="gate"))


@hookimpl
def archspec_attentions() -> Offers:
    return {"$name": Offer(GatherOptions, gather, "each channel weighed by its mean")}
