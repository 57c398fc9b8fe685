"""Shortcuts: how a block's input is fitted to its output, where the shape changes.  He et al. 2015, section 4.1."""

from __future__ import annotations

from archspec import BlockOptions, Builder, Offer, Offers, Options, ResidualBlockOptions, Value, hookimpl
from archspec.plan.branches import PaddedIdentity


def projection(net: Builder, x: Value, block: BlockOptions, channels: int) -> Value:
    """norm(conv1x1(x)) where the shape changes, else x."""
    if not block.reshapes(x.channels, channels):
        return x
    return net.norm(net.conv(x, channels, 1, block.strides))


def pooled_projection(net: Builder, x: Value, block: BlockOptions, channels: int) -> Value:
    """norm(conv1x1(average_pool2x2(x))) where the shape changes, else x.  He et al. 2019, fig. 2c.

    Where dilation stands for the stride, the pool stays, without a stride.
    """
    if not block.reshapes(x.channels, channels):
        return x
    if block.strides > 1:  # "tensorflow" padding: ceil(size / 2) outputs, and what is padded counts in no average
        x = net.pool(x, "average", 2, block.strides, padding="tensorflow")
    elif isinstance(block, ResidualBlockOptions) and block.dilation > 1:
        x = net.pool(x, "average", 2, 1, padding="zeros")
    return net.norm(net.conv(x, channels, 1))


def padded_identity(net: Builder, x: Value, block: BlockOptions, channels: int) -> Value:
    """Every strides-th pixel of x and channels of zeros where the shape changes, else x. It has no parameters."""
    if not block.reshapes(x.channels, channels):
        return x
    return net.write(PaddedIdentity(x.channels, channels, block.strides), x, name="pad")


@hookimpl
def archspec_shortcuts() -> Offers:
    return {
        "A": Offer(Options, padded_identity, "identity, with strides and channels of zeros where the shape changes"),
        "B": Offer(Options, projection, "1x1 convolution and norm where the shape changes, else identity"),
        "D": Offer(Options, pooled_projection, "the same behind a 2x2 average pool instead of a stride"),
    }
