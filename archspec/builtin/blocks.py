"""Residual blocks: act(shortcut(x) + f(x))."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archspec import BlockOptions, Builder, Offer, Offered, Options, Value, hookimpl


class ResidualOptions(BlockOptions):
    """Options of the residual blocks of He et al. 2015."""

    shortcut: Annotated[Options, Offered("shortcuts", default="B")]
    groups: Annotated[int, Field(ge=1, le=65_536)] = 1
    """Groups of the 3x3 convolutions.  Xie et al. 2017."""
    zero_init_residual: bool = False
    """Start the last norm's scale at zero, so that a block starts as its shortcut.  Goyal et al. 2017."""


class BottleneckOptions(ResidualOptions):
    """Options of the bottleneck block."""

    expansion: Annotated[int, Field(ge=1, le=64)] = 4
    """Output channels as a multiple of `filters`."""
    stride_in: Literal["3x3", "1x1"] = "3x3"
    """Which convolution is strided: torchvision's 3x3, or the paper's first 1x1."""


def join(net: Builder, x: Value, y: Value, block: ResidualOptions) -> Value:
    """act(shortcut(x) + y)."""
    with net.scope("shortcut", role="shortcut"):
        x = block.shortcut.offer.make(net, x, block, y.channels)
    return net.act(net.add(y, x))


def basic(net: Builder, x: Value, block: ResidualOptions) -> Value:
    """act(shortcut(x) + norm(conv3x3(act(norm(conv3x3(x)))))).  He et al. 2015, fig. 5 left."""
    y = net.conv(x, block.filters, 3, block.strides, groups=block.groups, name="conv1")
    y = net.act(net.norm(y, name="norm1"))
    y = net.conv(y, block.filters, 3, groups=block.groups, name="conv2")
    y = net.norm(y, name="norm2", zero_init=block.zero_init_residual)
    return join(net, x, y, block)


def bottleneck(net: Builder, x: Value, block: BottleneckOptions) -> Value:
    """act(shortcut(x) + norm(conv1x1(act(norm(conv3x3(act(norm(conv1x1(x))))))))).  He et al. 2015, fig. 5 right."""
    first, second = (block.strides, 1) if block.stride_in == "1x1" else (1, block.strides)
    y = net.act(net.norm(net.conv(x, block.filters, 1, first, name="conv1"), name="norm1"))
    y = net.act(net.norm(net.conv(y, block.filters, 3, second, groups=block.groups, name="conv2"), name="norm2"))
    y = net.conv(y, block.filters * block.expansion, 1, name="conv3")
    y = net.norm(y, name="norm3", zero_init=block.zero_init_residual)
    return join(net, x, y, block)


@hookimpl
def archspec_blocks() -> dict[str, Offer[ResidualOptions] | Offer[BottleneckOptions]]:
    return {
        "basic": Offer(ResidualOptions, basic, "two 3x3 convolutions"),
        "bottleneck": Offer(BottleneckOptions, bottleneck, "1x1, 3x3 and 1x1 convolutions"),
    }
