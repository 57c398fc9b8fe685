"""A gate without parameters: each channel is weighed by its own mean."""

from __future__ import annotations

from typing import Literal

from archspec import Builder, Offer, Offers, Options, Value, hookimpl
from archspec.plan.gates import ChannelMean, Multiply


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
        mean = net.write(ChannelMean(), x, name="mean")
        return net.write(Multiply(), x, net.activation(mean, function, name="gate"), name="multiply")


@hookimpl
def archspec_attentions() -> Offers:
    return {"$name": Offer(GatherOptions, gather, "each channel weighed by its mean")}
