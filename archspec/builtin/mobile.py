"""Blocks around a depthwise convolution: inverted residual, ConvNeXt."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archspec import Builder, ImpossibleShape, Offer, Offered, Offers, Options, ResidualBlockOptions, Value, hookimpl
from archspec.builtin.blocks import LayerScale

Kernel = Annotated[int, Field(ge=1, le=255)]


class InvertedOptions(ResidualBlockOptions):
    """Options of the inverted residual block."""

    kernel: Kernel = 3
    """Of the depthwise convolution."""
    expansion: Annotated[float, Field(ge=1, le=64)] = 6.0
    """Inner channels as a multiple of the input's; at 1 the first convolution is left out."""
    attention: Annotated[Options, Offered("attentions", default="none")]
    """A gate over the channels, behind the depthwise convolution."""
    layer_scale: LayerScale = None
    """Where a trained factor of each channel, at the end of the path, starts.  Touvron et al. 2021."""


class ConvNextOptions(ResidualBlockOptions):
    """Options of the ConvNeXt block."""

    kernel: Kernel = 7
    """Of the depthwise convolution."""
    expansion: Annotated[float, Field(gt=0, le=64)] = 4.0
    """Inner channels as a multiple of `filters`."""
    layer_scale: LayerScale = 1e-6
    """Where the trained factor of each channel starts; null for none."""


def _need_centre(block: InvertedOptions | ConvNextOptions) -> None:
    """Raise `ImpossibleShape` where the depthwise convolution makes more pixels than it takes, so that no sum fits."""
    if block.kernel % 2 == 0 and block.padding == "symmetric":
        message = f"an even kernel (={block.kernel}), padded alike on both sides, makes a map larger than its shortcut"
        raise ImpossibleShape(message, "kernel", help="take an odd `kernel`, or `padding: tensorflow`")


def inverted(net: Builder, x: Value, block: InvertedOptions) -> Value:
    """x + norm(conv1x1(attention(act(norm(depthwise(act(norm(conv1x1(x)))))))).  Sandler et al. 2018, fig. 3b.

    The shortcut stands where the shape stays. EfficientNet's MBConv (Tan and Le 2019) is this with attention.
    """
    inner = round(x.channels * block.expansion)
    y = x
    if block.expansion > 1:
        y = net.act(net.norm(net.conv(y, inner, 1, name="conv1"), name="norm1"))
    dilation = block.entry_dilation
    y = net.conv(y, inner, block.kernel, block.strides, groups=inner, dilation=dilation, name="depthwise")
    y = net.act(net.norm(y, name="norm2"))
    y = block.attention.offer.make(net, y, block.attention, x.channels)
    y = net.norm(net.conv(y, block.filters, 1, name="conv3"), name="norm3")
    if block.reshapes(x.channels, block.filters):
        return y
    _need_centre(block)
    return net.add(net.drop_path(net.scale(y, block.layer_scale), block.drop_path), x)


def convnext(net: Builder, x: Value, block: ConvNextOptions) -> Value:
    """x + scale * conv1x1(act(conv1x1(norm(depthwise(x))))).  Liu et al. 2022, fig. 4.

    Where the shape changes, norm and a convolution without overlap come before it.
    """
    _need_centre(block)
    if block.reshapes(x.channels, block.filters):
        with net.scope("downsample"):
            x = _downsample(net, net.norm(x), block)
    y = net.conv(x, block.filters, block.kernel, groups=block.filters, dilation=block.dilation, name="depthwise")
    y = net.norm(y)
    y = net.act(net.conv(y, int(block.filters * block.expansion), 1, name="conv1"))
    y = net.conv(y, block.filters, 1, name="conv2")
    return net.add(net.drop_path(net.scale(y, block.layer_scale), block.drop_path), x)


def _downsample(net: Builder, x: Value, block: ConvNextOptions) -> Value:
    """A convolution of as many pixels as it strides; dilation that stands for a stride leaves it its kernel."""
    before = block.entry_dilation
    kernel, rest = divmod(block.strides * block.dilation, before)
    if rest:
        message = (
            f"strides * dilation (={block.strides * block.dilation}) must be divisible by first_dilation (={before})"
        )
        raise ImpossibleShape(message, "first_dilation")
    padding = "valid" if block.dilation == 1 else "tensorflow"
    return net.conv(x, block.filters, kernel, block.strides, dilation=before, padding=padding)


@hookimpl
def archspec_blocks() -> Offers:
    return {
        "inverted": Offer(InvertedOptions, inverted, "1x1, depthwise, 1x1: MobileNetV2, EfficientNet"),
        "convnext": Offer(ConvNextOptions, convnext, "depthwise, norm, 1x1, 1x1, layer scale"),
    }
