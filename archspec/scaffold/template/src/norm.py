"""Root-mean-square normalisation: an operation of its own, and the norm that writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from archspec import Builder, Norm, Offer, Offers, Options, Value, hookimpl
from pydantic import Field


class RmsOptions(Options):
    """Options of the norm."""

    eps: Annotated[float, Field(gt=0, le=1)] = 1e-6
    """Added to the mean of the squares."""


@dataclass(frozen=True)
class RootMeanSquare(Norm):
    """x / sqrt(mean of the squares of a pixel's channels + eps) * weight.  Zhang and Sennrich 2019."""

    maker: ClassVar[str] = "$module.norm_torch:RootMeanSquareNorm"
    """What torch runs. It is in a file of its own, so that a spec is checked without torch."""

    def parameters(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.channels,)}


def rms(net: Builder, x: Value, norm: RmsOptions, *, name: str, zero_init: bool) -> Value:
    """The operation, under the name that the block asks for."""
    return net.write(RootMeanSquare(x.channels, norm.eps, zero_init), x, name=name)


@hookimpl
def archspec_norms() -> Offers:
    return {"$name": Offer(RmsOptions, rms, "root-mean-square normalisation")}
