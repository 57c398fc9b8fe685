"""Blocks made for few multiply-adds or for speed: inverted residual, ConvNeXt, RepVGG."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archspec import BlockOptions, Builder, Offer, Offered, Options, StemOptions, Value, hookimpl
from archspec.plan.gates import Scale

Kernel = Annotated[int, Field(ge=1, le=255)]


class InvertedOptions(BlockOptions):
    """Options of the inverted residual block."""

    kernel: Kernel = 3
    """Of the depthwise convolution."""
    expansion: Annotated[float, Field(ge=1, le=64)] = 6.0
    """Inner channels as a multiple of the input's; at 1 the first convolution is left out."""
    attention: Annotated[Options, Offered("attentions", default="none")]
    """A gate over the channels, behind the depthwise convolution."""


class ConvNextOptions(BlockOptions):
    """Options of the ConvNeXt block."""

    kernel: Kernel = 7
    """Of the depthwise convolution."""
    expansion: Annotated[float, Field(gt=0, le=64)] = 4.0
    """Inner channels as a multiple of `filters`."""
    layer_scale: Annotated[float, Field(gt=0, le=1)] = 1e-6
    """Where the trained factor of each channel starts."""


class RepVggStemOptions(StemOptions):
    """Options of RepVGG's stem."""

    filters: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    """Output channels."""


def inverted(net: Builder, x: Value, block: InvertedOptions) -> Value:
    """x + norm(conv1x1(attention(act(norm(depthwise(act(norm(conv1x1(x)))))))).  Sandler et al. 2018, fig. 3b.

    The shortcut stands where the shape stays. EfficientNet's MBConv (Tan and Le 2019) is this with attention.
    """
    inner = round(x.channels * block.expansion)
    y = x
    if block.expansion > 1:
        y = net.act(net.norm(net.conv(y, inner, 1, name="conv1"), name="norm1"))
    y = net.conv(y, inner, block.kernel, block.strides, groups=inner, name="depthwise")
    y = net.act(net.norm(y, name="norm2"))
    y = block.attention.offer.make(net, y, block.attention, x.channels)
    y = net.norm(net.conv(y, block.filters, 1, name="conv3"), name="norm3")
    return net.add(y, x) if y.shape == x.shape else y


def convnext(net: Builder, x: Value, block: ConvNextOptions) -> Value:
    """x + scale * conv1x1(act(conv1x1(norm(depthwise(x))))).  Liu et al. 2022, fig. 4.

    Where the shape changes, norm and a convolution without overlap come before it.
    """
    if block.strides > 1 or x.channels != block.filters:
        with net.scope("downsample"):
            x = net.conv(net.norm(x), block.filters, block.strides, block.strides, padding="valid")
    y = net.norm(net.conv(x, block.filters, block.kernel, groups=block.filters, name="depthwise"))
    y = net.act(net.conv(y, int(block.filters * block.expansion), 1, name="conv1"))
    y = net.conv(y, block.filters, 1, name="conv2")
    return net.add(net.write(Scale(block.filters, block.layer_scale), y, name="scale"), x)


def _branches(net: Builder, x: Value, filters: int, strides: int) -> Value:
    """act(norm(conv1x1(x)) + norm(conv3x3(x)) + norm(x)); the last where the shape stays."""
    identity = net.norm(x, name="identity") if x.channels == filters and strides == 1 else None
    sides = []
    for kernel in (1, 3):
        with net.scope(f"conv{kernel}x{kernel}"):
            sides.append(net.norm(net.conv(x, filters, kernel, strides)))
    y = net.add(*sides)
    return net.act(net.add(y, identity) if identity is not None else y)


def repvgg(net: Builder, x: Value, block: BlockOptions) -> Value:
    """act(norm(conv1x1(x)) + norm(conv3x3(x)) + norm(x)), as it is trained.  Ding et al. 2021, fig. 2b."""
    return _branches(net, x, block.filters, block.strides)


def repvgg_stem(net: Builder, x: Value, stem: RepVggStemOptions) -> Value:
    """The block, as a stem."""
    return _branches(net, x, stem.filters, stem.strides)


@hookimpl
def archspec_blocks() -> dict[str, Offer[InvertedOptions] | Offer[ConvNextOptions] | Offer[BlockOptions]]:
    return {
        "inverted": Offer(InvertedOptions, inverted, "1x1, depthwise, 1x1: MobileNetV2, EfficientNet"),
        "convnext": Offer(ConvNextOptions, convnext, "depthwise, norm, 1x1, 1x1, layer scale"),
        "repvgg": Offer(BlockOptions, repvgg, "3x3, 1x1 and identity in parallel, as trained"),
    }


@hookimpl
def archspec_stems() -> dict[str, Offer[RepVggStemOptions]]:
    return {"repvgg": Offer(RepVggStemOptions, repvgg_stem, "RepVGG's block as a stem")}
