"""Residual blocks: act(shortcut(x) + f(x)).  He et al. 2015, and what became of them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from archspec import Builder, ImpossibleShape, Offer, Offered, Offers, Options, ResidualBlockOptions, Value, hookimpl

Groups = Annotated[int, Field(ge=1, le=65_536)]
LayerScale = Annotated[float, Field(gt=0, le=1)] | None
StrideIn = Literal["3x3", "1x1"]


class ShortcutOptions(ResidualBlockOptions):
    """Options of blocks with a choice of shortcuts."""

    shortcut: Annotated[Options, Offered("shortcuts", default="B")]
    """How the input is fitted to the output where the shape changes."""
    groups: Groups = 1
    """Groups of the 3x3 convolutions.  Xie et al. 2017."""
    group_width: Groups | None = None
    """Channels in a group, instead of `groups`; all channels are one group where there are fewer, as in RegNets."""
    layer_scale: LayerScale = None
    """Where a trained factor of each channel, at the end of the path, starts.  Touvron et al. 2021."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.group_width is not None and self.groups != 1:
            raise ValueError("has both `groups` and `group_width`: give one of them")
        return self


class ResidualOptions(ShortcutOptions):
    """Options of the residual blocks of He et al. 2015."""

    attention: Annotated[Options, Offered("attentions", default="none")]
    """A gate over the channels, before the sum."""
    antialias: Literal["none", "average", "blur"] = "none"
    """Stride behind the convolution instead of in it: by the average of the pixels that are strided over, or a 3x3
    binomial filter.  Zhang 2019."""
    zero_init_residual: bool = False
    """Start the last norm's scale at zero, so that a block starts as its shortcut.  Goyal et al. 2017."""


class BottleneckOptions(ResidualOptions):
    """Options of the bottleneck block."""

    expansion: Annotated[int, Field(ge=1, le=64)] = 4
    """Output channels as a multiple of `filters`."""
    width: Annotated[float, Field(gt=0, le=64)] = 1.0
    """Inner channels as a multiple of `filters`: 2 in wide ResNets and ResNeXt 32x4d."""
    stride_in: StrideIn = "3x3"
    """Which convolution is strided: torchvision's 3x3, or the paper's first 1x1."""
    attention_after: Literal["3x3", "end"] = "end"
    """Where the attention stands: after the 3x3 convolution as in RegNet Y, or at the end."""


class PreactBottleneckOptions(ShortcutOptions):
    """Options of the pre-activation bottleneck."""

    expansion: Annotated[int, Field(ge=1, le=64)] = 4
    """Output channels as a multiple of `filters`."""
    stride_in: StrideIn = "3x3"
    """Which convolution is strided: torchvision's 3x3, or the paper's first 1x1."""


def groups_of(channels: int, block: ShortcutOptions) -> int:
    """The groups of a convolution that makes so many channels."""
    if block.group_width is None:
        return block.groups
    width = min(block.group_width, channels)
    if channels % width:
        raise ImpossibleShape(f"channels (={channels}) must be divisible by group_width (={width})", "group_width")
    return channels // width


def _stride_each(block: BottleneckOptions | PreactBottleneckOptions) -> tuple[int, int]:
    """The strides of the first 1x1 and of the 3x3 convolution."""
    return (block.strides, 1) if block.stride_in == "1x1" else (1, block.strides)


def _strided(net: Builder, x: Value, filters: int, block: ResidualOptions, stride: int, number: int) -> Value:
    """act(norm(conv3x3(x))), strided in the convolution or by a pool behind it."""
    groups, dilation = groups_of(filters, block), block.entry_dilation
    pooled = block.antialias != "none" and (stride > 1 or dilation != block.dilation)
    y = net.conv(x, filters, 3, 1 if pooled else stride, groups=groups, dilation=dilation, name=f"conv{number}")
    y = net.act(net.norm(y, name=f"norm{number}"))
    if pooled and block.antialias == "blur":
        return net.blur_pool(y, stride)
    return net.pool(y, "average", stride, stride, padding="valid") if pooled and stride > 1 else y


def join(net: Builder, x: Value, y: Value, block: ShortcutOptions) -> Value:
    """act(shortcut(x) + drop_path(scale * y))."""
    y = net.drop_path(net.scale(y, block.layer_scale), block.drop_path)
    with net.scope("shortcut", role="shortcut"):
        x = block.shortcut.offer.make(net, x, block, y.channels)
    return net.act(net.add(y, x))


def attend(net: Builder, x: Value, y: Value, attention: Options) -> Value:
    """The block's attention, over y."""
    value = attention.offer.make(net, y, attention, x.channels)
    assert isinstance(value, Value)
    return value


def basic(net: Builder, x: Value, block: ResidualOptions) -> Value:
    """act(shortcut(x) + norm(conv3x3(act(norm(conv3x3(x)))))).  He et al. 2015, fig. 5 left."""
    y = _strided(net, x, block.filters, block, block.strides, 1)
    groups = groups_of(block.filters, block)
    y = net.conv(y, block.filters, 3, groups=groups, dilation=block.dilation, name="conv2")
    y = net.norm(y, name="norm2", zero_init=block.zero_init_residual)
    return join(net, x, attend(net, x, y, block.attention), block)


def bottleneck(net: Builder, x: Value, block: BottleneckOptions) -> Value:
    """act(shortcut(x) + norm(conv1x1(act(norm(conv3x3(act(norm(conv1x1(x))))))))).  He et al. 2015, fig. 5 right."""
    first, second = _stride_each(block)
    inner = int(block.filters * block.width)
    y = net.act(net.norm(net.conv(x, inner, 1, first, name="conv1"), name="norm1"))
    y = _strided(net, y, inner, block, second, 2)
    y = attend(net, x, y, block.attention) if block.attention_after == "3x3" else y
    y = net.conv(y, block.filters * block.expansion, 1, name="conv3")
    y = net.norm(y, name="norm3", zero_init=block.zero_init_residual)
    return join(net, x, attend(net, x, y, block.attention) if block.attention_after == "end" else y, block)


def _join_preact(net: Builder, x: Value, activated: Value, y: Value, block: ShortcutOptions) -> Value:
    """shortcut + drop_path(scale * y): the shortcut is x, or the activated input, fitted without a norm."""
    y = net.drop_path(net.scale(y, block.layer_scale), block.drop_path)
    if block.reshapes(x.channels, y.channels):
        with net.scope("shortcut", role="shortcut", normed=False):
            x = block.shortcut.offer.make(net, activated, block, y.channels)
    return net.add(y, x)


def preact_basic(net: Builder, x: Value, block: ShortcutOptions) -> Value:
    """shortcut(x) + conv3x3(act(norm(conv3x3(a)))), where a = act(norm(x)).  He et al. 2016, fig. 4e."""
    groups, dilation = groups_of(block.filters, block), block.entry_dilation
    a = net.act(net.norm(x, name="norm1"))
    y = net.conv(a, block.filters, 3, block.strides, groups=groups, dilation=dilation, name="conv1")
    y = net.act(net.norm(y, name="norm2"))
    y = net.conv(y, block.filters, 3, groups=groups, dilation=block.dilation, name="conv2")
    return _join_preact(net, x, a, y, block)


def preact_bottleneck(net: Builder, x: Value, block: PreactBottleneckOptions) -> Value:
    """shortcut(x) + conv1x1(act(norm(conv3x3(act(norm(conv1x1(a))))))), where a = act(norm(x)).  He et al. 2016."""
    groups, dilation = groups_of(block.filters, block), block.entry_dilation
    a = net.act(net.norm(x, name="norm1"))
    first, second = _stride_each(block)
    y = net.act(net.norm(net.conv(a, block.filters, 1, first, name="conv1"), name="norm2"))
    y = net.conv(y, block.filters, 3, second, groups=groups, dilation=dilation, name="conv2")
    y = net.conv(net.act(net.norm(y, name="norm3")), block.filters * block.expansion, 1, name="conv3")
    return _join_preact(net, x, a, y, block)


@hookimpl
def archspec_blocks() -> Offers:
    return {
        "basic": Offer(ResidualOptions, basic, "two 3x3 convolutions"),
        "bottleneck": Offer(BottleneckOptions, bottleneck, "1x1, 3x3 and 1x1 convolutions"),
        "preact-basic": Offer(ShortcutOptions, preact_basic, "two 3x3 convolutions, each behind a norm"),
        "preact-bottleneck": Offer(PreactBottleneckOptions, preact_bottleneck, "1x1, 3x3, 1x1, each behind a norm"),
    }
