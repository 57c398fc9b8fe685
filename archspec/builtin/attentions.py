"""Attention: gates that weigh a block's channels."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.config import JsonDict

from archspec import Builder, Offer, Offered, Offers, Options, Value, hookimpl
from archspec.plan.gates import ChannelConv

Gate = Literal["sigmoid", "hard-sigmoid"]
_GATES = {"sigmoid": "Sigmoid", "hard-sigmoid": "Hardsigmoid"}


_ODD: JsonDict = {"not": {"multipleOf": 2}}


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"must be odd, unlike {value}")
    return value


class SqueezeExcitationOptions(Options):
    """Options of squeeze-excitation."""

    ratio: Annotated[float, Field(gt=0, le=4)] = 1 / 16
    """Channels of the squeezed vector, as a share."""
    share_of: Literal["map", "block-input"] = "map"
    """Of which channels: the map that is gated, or what enters the block, as RegNet and EfficientNet count."""
    divisor: Annotated[int, Field(ge=1, le=1024)] = 8
    """The squeezed channels are rounded to a multiple of it."""
    activation: Annotated[Options, Offered("activations", default="relu")]
    """Between the two layers."""
    gate: Gate = "sigmoid"
    """The last function; `hard-sigmoid` as MobileNetV3 has it."""


class EfficientChannelOptions(Options):
    """Options of efficient channel attention."""

    gamma: Annotated[float, Field(gt=0)] = 2.0
    """A larger one makes the kernel smaller: see `beta`."""
    beta: float = 1.0
    """The kernel is the odd number at or above |log2(channels) + beta| / gamma, and 3 at least."""
    kernel: Annotated[int, Field(ge=1, le=255, json_schema_extra=_ODD), AfterValidator(_odd)] | None = None
    """Channels that weigh one, an odd number, instead of what `gamma` and `beta` give."""
    gate: Gate = "sigmoid"
    """The last function; `hard-sigmoid` as MobileNetV3 has it."""


def none(net: Builder, x: Value, options: Options, block_channels: int) -> Value:
    """x."""
    return x


def squeeze_excitation(net: Builder, x: Value, se: SqueezeExcitationOptions, block_channels: int) -> Value:
    """x * sigmoid(conv1x1(act(conv1x1(mean(x))))).  Hu et al. 2018."""
    wanted = se.ratio * (x.channels if se.share_of == "map" else block_channels)
    squeezed = max(se.divisor, int(wanted + se.divisor / 2) // se.divisor * se.divisor)
    with net.scope("attention", role="gate"):
        y = net.channel_mean(x)
        y = net.conv(y, squeezed, 1, bias=True, padding="valid", standardized=False, name="conv1")
        y = se.activation.offer.make(net, y, se.activation, name="act")
        y = net.conv(y, x.channels, 1, bias=True, padding="valid", standardized=False, name="conv2")
        return net.multiply(x, net.activation(y, _GATES[se.gate], name="gate"))


def efficient_channel(net: Builder, x: Value, eca: EfficientChannelOptions, block_channels: int) -> Value:
    """x * sigmoid(conv1d(mean(x))) along the channels.  Wang et al. 2020."""
    size = eca.kernel or int(abs(math.log2(x.channels) + eca.beta) / eca.gamma)
    with net.scope("attention", role="gate"):
        y = net.channel_mean(x)
        y = net.write(ChannelConv(max(size if size % 2 else size + 1, 3)), y, name="conv")
        return net.multiply(x, net.activation(y, _GATES[eca.gate], name="gate"))


@hookimpl
def archspec_attentions() -> Offers:
    return {
        "none": Offer(Options, none, "no attention"),
        "se": Offer(SqueezeExcitationOptions, squeeze_excitation, "squeeze-excitation"),
        "eca": Offer(EfficientChannelOptions, efficient_channel, "efficient channel attention"),
    }
