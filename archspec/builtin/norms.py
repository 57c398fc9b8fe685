"""Norms."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archspec import Builder, Offer, Offers, Options, Value, hookimpl
from archspec.plan.gates import BatchNorm, GroupNorm, LayerNorm

Epsilon = Annotated[float, Field(gt=0, le=1)]


class BatchNormOptions(Options):
    """Options of batch normalisation."""

    eps: Epsilon = 1e-5
    """Added to the variance. Keras's default is 1e-3."""
    momentum: Annotated[float, Field(gt=0, le=1)] = 0.1
    """The share of the new batch in the running statistics, as torch counts it: Keras's 0.99 is 0.01 here."""


class GroupNormOptions(Options):
    """Options of group normalisation."""

    groups: Annotated[int, Field(ge=1, le=65_536)] = 32
    eps: Epsilon = 1e-5


class LayerNormOptions(Options):
    """Options of layer normalisation."""

    eps: Epsilon = 1e-6


def batch(net: Builder, x: Value, norm: BatchNormOptions, *, name: str, zero_init: bool) -> Value:
    """(x - mean) / sqrt(variance + eps) * weight + bias over the batch.  Ioffe and Szegedy 2015."""
    return net.write(BatchNorm(x.channels, norm.eps, zero_init, norm.momentum), x, name=name)


def group(net: Builder, x: Value, norm: GroupNormOptions, *, name: str, zero_init: bool) -> Value:
    """The same over groups of an image's channels.  Wu and He 2018."""
    return net.write(GroupNorm(x.channels, norm.eps, zero_init, norm.groups), x, name=name)


def layer(net: Builder, x: Value, norm: LayerNormOptions, *, name: str, zero_init: bool) -> Value:
    """The same over the channels of a pixel.  Ba et al. 2016."""
    return net.write(LayerNorm(x.channels, norm.eps, zero_init), x, name=name)


def none(net: Builder, x: Value, norm: Options, *, name: str, zero_init: bool) -> Value:
    """x."""
    return x


@hookimpl
def archspec_norms() -> Offers:
    return {
        "batch": Offer(BatchNormOptions, batch, "batch normalisation"),
        "group": Offer(GroupNormOptions, group, "group normalisation"),
        "layer": Offer(LayerNormOptions, layer, "layer normalisation of the channels of a pixel"),
        "none": Offer(Options, none, "no norm"),
    }
