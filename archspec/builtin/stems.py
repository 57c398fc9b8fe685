"""Stems: what turns the image into the first map."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archspec import Builder, Offer, Offers, StemOptions, Value, hookimpl

Filters = Annotated[int, Field(ge=1, le=1_000_000)]
Kernel = Annotated[int, Field(ge=1, le=255)]


class ConvolutionalOptions(StemOptions):
    """Options of a stem of convolutions."""

    preact: bool = False
    """Leave norm and activation behind the last convolution to the blocks, as pre-activation networks do."""


class ConvStemOptions(ConvolutionalOptions):
    """Options of a stem of one convolution."""

    filters: Filters = 64
    kernel: Kernel = 7


class DeepStemOptions(ConvolutionalOptions):
    """Options of a stem of three 3x3 convolutions."""

    filters: tuple[Filters, Filters, Filters] = (32, 32, 64)
    """ResNet-C and D have [32, 32, 64], T has [24, 32, 64], S has [64, 64, 128]."""


class PooledOptions(ConvolutionalOptions):
    """Options of a stem that ends in a pool."""

    pool: Literal["max", "max-zeros", "average", "blur", "conv"] = "max"
    """`max`: 3x3 of stride 2; `max-zeros`: over zeros at the edges, as BiT has it; `average`: 2x2 of stride 2; `blur`:
    3x3 of stride 1, and stride 2 behind a binomial filter (Zhang 2019); `conv`: a 3x3 convolution of stride 2, norm and
    activation, as ResNet-RS has it."""


class ConvPoolStemOptions(PooledOptions, ConvStemOptions):
    """Options of a convolution and a pool."""


class DeepPoolStemOptions(PooledOptions, DeepStemOptions):
    """Options of three convolutions and a pool."""


class PatchStemOptions(StemOptions):
    """Options of a stem that cuts the image into patches."""

    filters: Filters
    strides: Annotated[int, Field(ge=1, le=64)] = 4
    """The side of a patch."""


def conv(net: Builder, x: Value, stem: ConvStemOptions) -> Value:
    """act(norm(conv(x))): (C, H, W) -> (filters, H/strides, W/strides)."""
    y = net.conv(x, stem.filters, stem.kernel, stem.strides)
    return y if stem.preact else net.act(net.norm(y))


def deep(net: Builder, x: Value, stem: DeepStemOptions) -> Value:
    """Three of act(norm(conv3x3(x))): (C, H, W) -> (filters[2], H/strides, W/strides).  He et al. 2019, fig. 2b."""
    for number, filters in enumerate(stem.filters, start=1):
        x = net.conv(x, filters, 3, stem.strides if number == 1 else 1, name=f"conv{number}")
        if number < len(stem.filters) or not stem.preact:
            x = net.act(net.norm(x, name=f"norm{number}"))
    return x


def _pool(net: Builder, x: Value, stem: PooledOptions) -> Value:
    """(C, H, W) -> (C, H/2, W/2)."""
    match stem.pool:
        case "average":
            return net.pool(x, "average", kernel=2, stride=2, padding="valid")
        case "blur":
            return net.blur_pool(net.pool(x, "max", kernel=3, stride=1), 2, name="blur")
        case "conv":
            with net.scope("pool"):
                return net.act(net.norm(net.conv(x, x.channels, kernel=3, stride=2)))
        case "max-zeros":
            return net.pool(x, "max", kernel=3, stride=2, padding="zeros")
        case _:
            return net.pool(x, "max", kernel=3, stride=2)


def conv_pool(net: Builder, x: Value, stem: ConvPoolStemOptions) -> Value:
    """pool(act(norm(conv(x)))): (C, H, W) -> (filters, H/2/strides, W/2/strides).  He et al. 2015, table 1."""
    return _pool(net, conv(net, x, stem), stem)


def deep_pool(net: Builder, x: Value, stem: DeepPoolStemOptions) -> Value:
    """pool(deep(x)): (C, H, W) -> (filters[2], H/2/strides, W/2/strides)."""
    return _pool(net, deep(net, x, stem), stem)


def patchify(net: Builder, x: Value, stem: PatchStemOptions) -> Value:
    """norm(conv(x)) over patches that do not overlap: (C, H, W) -> (filters, H/s, W/s).  Liu et al. 2022."""
    return net.norm(net.conv(x, stem.filters, stem.strides, stem.strides, padding="valid"))


@hookimpl
def archspec_stems() -> Offers:
    return {
        "conv": Offer(ConvStemOptions, conv, "convolution, norm, activation"),
        "conv-pool": Offer(ConvPoolStemOptions, conv_pool, "convolution, norm, activation, pool of stride 2"),
        "deep": Offer(DeepStemOptions, deep, "three 3x3 convolutions, each with norm and activation"),
        "deep-pool": Offer(DeepPoolStemOptions, deep_pool, "the same and a pool of stride 2"),
        "patchify": Offer(PatchStemOptions, patchify, "convolution over patches, norm"),
    }
