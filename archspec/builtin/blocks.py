"""Residual blocks: act(shortcut(x) + f(x)).  He et al. 2015, and what became of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archspec import BlockOptions, Builder, ImpossibleShape, Offer, Offered, Options, Value, hookimpl

Groups = Annotated[int, Field(ge=1, le=65_536)]


class ResidualOptions(BlockOptions):
    """Options of the residual blocks of He et al. 2015."""

    shortcut: Annotated[Options, Offered("shortcuts", default="B")]
    """How the input is fitted to the output where the shape changes."""
    attention: Annotated[Options, Offered("attentions", default="none")]
    """A gate over the channels, before the sum."""
    groups: Groups = 1
    """Groups of the 3x3 convolutions.  Xie et al. 2017."""
    group_width: Groups | None = None
    """Channels in a group, instead of `groups`."""
    antialias: Literal["none", "average"] = "none"
    """Stride by a 2x2 average pool after the convolution instead of in it.  Zhang 2019, as timm's `aa` networks."""
    zero_init_residual: bool = False
    """Start the last norm's scale at zero, so that a block starts as its shortcut.  Goyal et al. 2017."""


class BottleneckOptions(ResidualOptions):
    """Options of the bottleneck block."""

    expansion: Annotated[int, Field(ge=1, le=64)] = 4
    """Output channels as a multiple of `filters`."""
    width: Annotated[float, Field(gt=0, le=64)] = 1.0
    """Inner channels as a multiple of `filters`: 2 in wide ResNets and ResNeXt 32x4d."""
    stride_in: Literal["3x3", "1x1"] = "3x3"
    """Which convolution is strided: torchvision's 3x3, or the paper's first 1x1."""
    attention_after: Literal["3x3", "end"] = "end"
    """Where the attention stands: after the 3x3 convolution as in RegNet Y, or at the end."""


class PreactOptions(BlockOptions):
    """Options of the pre-activation blocks."""

    groups: Groups = 1
    """Groups of the 3x3 convolutions.  Xie et al. 2017."""


class PreactBottleneckOptions(PreactOptions):
    """Options of the pre-activation bottleneck."""

    expansion: Annotated[int, Field(ge=1, le=64)] = 4
    """Output channels as a multiple of `filters`."""


def _groups(channels: int, block: ResidualOptions) -> int:
    if block.group_width is None:
        return block.groups
    width = min(block.group_width, channels)
    if channels % width:
        raise ImpossibleShape(f"channels (={channels}) must be divisible by group_width (={width})", "group_width")
    return channels // width


def _strided(net: Builder, x: Value, filters: int, block: ResidualOptions, stride: int, number: int) -> Value:
    """act(norm(conv3x3(x))), strided in the convolution or by an average pool behind it."""
    pooled = block.antialias == "average" and stride > 1
    groups = _groups(filters, block)
    y = net.conv(x, filters, 3, 1 if pooled else stride, groups=groups, name=f"conv{number}")
    y = net.act(net.norm(y, name=f"norm{number}"))
    return net.pool(y, "average", stride, stride, padding="valid") if pooled else y


def _join(net: Builder, x: Value, y: Value, block: ResidualOptions) -> Value:
    """act(shortcut(x) + y)."""
    with net.scope("shortcut", role="shortcut"):
        x = block.shortcut.offer.make(net, x, block, y.channels)
    return net.act(net.add(y, x))


def _attend(net: Builder, x: Value, y: Value, block: ResidualOptions) -> Value:
    """The block's attention, over y."""
    value = block.attention.offer.make(net, y, block.attention, x.channels)
    assert isinstance(value, Value)
    return value


def basic(net: Builder, x: Value, block: ResidualOptions) -> Value:
    """act(shortcut(x) + norm(conv3x3(act(norm(conv3x3(x)))))).  He et al. 2015, fig. 5 left."""
    y = _strided(net, x, block.filters, block, block.strides, 1)
    y = net.conv(y, block.filters, 3, groups=_groups(block.filters, block), name="conv2")
    y = net.norm(y, name="norm2", zero_init=block.zero_init_residual)
    return _join(net, x, _attend(net, x, y, block), block)


def bottleneck(net: Builder, x: Value, block: BottleneckOptions) -> Value:
    """act(shortcut(x) + norm(conv1x1(act(norm(conv3x3(act(norm(conv1x1(x))))))))).  He et al. 2015, fig. 5 right."""
    first, second = (block.strides, 1) if block.stride_in == "1x1" else (1, block.strides)
    inner = int(block.filters * block.width)
    y = net.act(net.norm(net.conv(x, inner, 1, first, name="conv1"), name="norm1"))
    y = _strided(net, y, inner, block, second, 2)
    y = _attend(net, x, y, block) if block.attention_after == "3x3" else y
    y = net.conv(y, block.filters * block.expansion, 1, name="conv3")
    y = net.norm(y, name="norm3", zero_init=block.zero_init_residual)
    return _join(net, x, _attend(net, x, y, block) if block.attention_after == "end" else y, block)


def _preact_shortcut(net: Builder, x: Value, activated: Value, strides: int, channels: int) -> Value:
    """conv1x1 of the activated input where the shape changes, else x itself."""
    if x.channels == channels and strides == 1:
        return x
    with net.scope("shortcut", role="shortcut"):
        return net.conv(activated, channels, 1, strides)


def preact_basic(net: Builder, x: Value, block: PreactOptions) -> Value:
    """shortcut(x) + conv3x3(act(norm(conv3x3(a)))), where a = act(norm(x)).  He et al. 2016, fig. 4e."""
    a = net.act(net.norm(x, name="norm1"))
    y = net.conv(a, block.filters, 3, block.strides, groups=block.groups, name="conv1")
    y = net.conv(net.act(net.norm(y, name="norm2")), block.filters, 3, groups=block.groups, name="conv2")
    return net.add(y, _preact_shortcut(net, x, a, block.strides, block.filters))


def preact_bottleneck(net: Builder, x: Value, block: PreactBottleneckOptions) -> Value:
    """shortcut(x) + conv1x1(act(norm(conv3x3(act(norm(conv1x1(a))))))), where a = act(norm(x)).  He et al. 2016."""
    channels = block.filters * block.expansion
    a = net.act(net.norm(x, name="norm1"))
    y = net.act(net.norm(net.conv(a, block.filters, 1, name="conv1"), name="norm2"))
    y = net.conv(y, block.filters, 3, block.strides, groups=block.groups, name="conv2")
    y = net.conv(net.act(net.norm(y, name="norm3")), channels, 1, name="conv3")
    return net.add(y, _preact_shortcut(net, x, a, block.strides, channels))


@hookimpl
def archspec_blocks() -> dict[
    str,
    Offer[ResidualOptions] | Offer[BottleneckOptions] | Offer[PreactOptions] | Offer[PreactBottleneckOptions],
]:
    return {
        "basic": Offer(ResidualOptions, basic, "two 3x3 convolutions"),
        "bottleneck": Offer(BottleneckOptions, bottleneck, "1x1, 3x3 and 1x1 convolutions"),
        "preact-basic": Offer(PreactOptions, preact_basic, "two 3x3 convolutions, each behind a norm"),
        "preact-bottleneck": Offer(PreactBottleneckOptions, preact_bottleneck, "1x1, 3x3, 1x1, each behind a norm"),
    }
