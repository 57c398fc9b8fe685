"""Stems: what turns the image into the first map."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archspec import Builder, Offer, StemOptions, Value, hookimpl

Filters = Annotated[int, Field(ge=1, le=1_000_000)]
Kernel = Annotated[int, Field(ge=1, le=255)]


class ConvStemOptions(StemOptions):
    """Options of a stem of one convolution."""

    filters: Filters = 64
    """Output channels."""
    kernel: Kernel = 7
    """Side of the convolution's kernel, in pixels."""


class ConvPoolStemOptions(ConvStemOptions):
    """Options of a convolution and a pool."""

    pool: Literal["max", "average"] = "max"
    """`max`: 3x3 of stride 2. `average`: 2x2 of stride 2, as anti-aliased ResNets have."""


class DeepStemOptions(StemOptions):
    """Options of a stem of three 3x3 convolutions."""

    filters: tuple[Filters, Filters, Filters] = (32, 32, 64)
    """Of each convolution: ResNet-C and D have [32, 32, 64], T has [24, 32, 64], S has [64, 64, 128]."""


class PatchStemOptions(StemOptions):
    """Options of a stem that cuts the image into patches."""

    filters: Filters
    """Output channels."""
    strides: Annotated[int, Field(ge=1, le=64)] = 4
    """The side of a patch."""


def conv(net: Builder, x: Value, stem: ConvStemOptions) -> Value:
    """act(norm(conv(x))): (C, H, W) -> (filters, H/strides, W/strides)."""
    return net.act(net.norm(net.conv(x, stem.filters, stem.kernel, stem.strides)))


def conv_pool(net: Builder, x: Value, stem: ConvPoolStemOptions) -> Value:
    """pool(act(norm(conv(x)))): (C, H, W) -> (filters, H/2/strides, W/2/strides).  He et al. 2015, table 1."""
    x = conv(net, x, stem)
    if stem.pool == "average":
        return net.pool(x, "average", kernel=2, stride=2, padding="valid")
    return net.pool(x, "max", kernel=3, stride=2)


def deep(net: Builder, x: Value, stem: DeepStemOptions) -> Value:
    """Three of act(norm(conv3x3(x))): (C, H, W) -> (filters[2], H/strides, W/strides).  He et al. 2019, fig. 2b."""
    for number, filters in enumerate(stem.filters, start=1):
        y = net.conv(x, filters, 3, stem.strides if number == 1 else 1, name=f"conv{number}")
        x = net.act(net.norm(y, name=f"norm{number}"))
    return x


def deep_pool(net: Builder, x: Value, stem: DeepStemOptions) -> Value:
    """max_pool3x3(deep(x))."""
    return net.pool(deep(net, x, stem), "max", kernel=3, stride=2)


def patchify(net: Builder, x: Value, stem: PatchStemOptions) -> Value:
    """norm(conv(x)) over patches that do not overlap: (C, H, W) -> (filters, H/s, W/s).  Liu et al. 2022."""
    return net.norm(net.conv(x, stem.filters, stem.strides, stem.strides, padding="valid"))


@hookimpl
def archspec_stems() -> dict[
    str, Offer[ConvStemOptions] | Offer[ConvPoolStemOptions] | Offer[DeepStemOptions] | Offer[PatchStemOptions]
]:
    return {
        "conv": Offer(ConvStemOptions, conv, "convolution, norm, activation"),
        "conv-pool": Offer(ConvPoolStemOptions, conv_pool, "convolution, norm, activation, pool of stride 2"),
        "deep": Offer(DeepStemOptions, deep, "three 3x3 convolutions, each with norm and activation"),
        "deep-pool": Offer(DeepStemOptions, deep_pool, "the same and a 3x3 max-pool of stride 2"),
        "patchify": Offer(PatchStemOptions, patchify, "convolution over patches, norm"),
    }
