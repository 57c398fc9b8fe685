"""A block of two cheap convolutions: one looks around in each channel, the other mixes the channels."""

from __future__ import annotations

from typing import Literal

from archspec import BlockOptions, Builder, Offer, Offers, Value, hookimpl


class SeparableOptions(BlockOptions):
    """Options of the block, beside those of every block: `filters`, `strides`, `repeats`, and a style."""

    kernel: Literal[3, 5, 7] = 5
    """The side of the convolution that looks around."""


def separable(net: Builder, x: Value, block: SeparableOptions) -> Value:
    """act(x + norm(conv1x1(act(norm(depthwise(x)))))): (C, H, W) -> (filters, H/strides, W/strides).

    Howard et al. 2017, with a shortcut where the shape stays.
    """
    y = net.conv(x, x.channels, block.kernel, block.strides, groups=x.channels, name="depthwise")
    y = net.act(net.norm(y, name="norm1"))
    y = net.norm(net.conv(y, block.filters, 1, name="pointwise"), name="norm2")
    return net.act(net.add(x, y) if x.shape == y.shape else y)


@hookimpl
def archspec_blocks() -> Offers:
    return {"$name": Offer(SeparableOptions, separable, "a depthwise and a 1x1 convolution")}
