"""Norms."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archspec import Builder, Offer, Options, Value, hookimpl
from archspec.plan.operations import BatchNorm


class BatchNormOptions(Options):
    """Options of batch normalisation."""

    eps: Annotated[float, Field(gt=0, le=1)] = 1e-5
    """Added to the variance. Keras's default is 1e-3."""
    momentum: Annotated[float, Field(gt=0, le=1)] = 0.1
    """The share of the new batch in the running statistics, as torch counts it: Keras's 0.99 is 0.01 here."""


def batch(net: Builder, x: Value, norm: BatchNormOptions, *, name: str, zero_init: bool) -> Value:
    """(x - mean) / sqrt(variance + eps) * weight + bias over the batch.  Ioffe and Szegedy 2015."""
    return net.write(BatchNorm(x.channels, norm.eps, norm.momentum, zero_init), x, name=name)


def none(net: Builder, x: Value, norm: Options, *, name: str, zero_init: bool) -> Value:
    """x."""
    return x


@hookimpl
def archspec_norms() -> dict[str, Offer[BatchNormOptions] | Offer[Options]]:
    return {
        "batch": Offer(BatchNormOptions, batch, "batch normalisation"),
        "none": Offer(Options, none, "no norm"),
    }
