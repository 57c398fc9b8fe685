"""The squared ReLU: an operation of its own, and the activation that writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from archspec import Builder, Offer, Offers, Operation, Options, Value, hookimpl
from pydantic import Field


class SquaredOptions(Options):
    """Options of the activation."""

    scale: Annotated[float, Field(gt=0, le=10)] = 1.0
    """The square is multiplied by it."""


@dataclass(frozen=True)
class SquaredReLU(Operation):
    """scale * max(x, 0)^2.  So et al. 2021."""

    scale: float

    maker: ClassVar[str] = "$module.activation_torch:SquaredReLUModule"
    """What torch runs. It is in a file of its own, so that a spec is checked without torch."""


def squared(net: Builder, x: Value, options: SquaredOptions, *, name: str) -> Value:
    """The operation, under the name that the block asks for."""
    return net.write(SquaredReLU(options.scale), x, name=name)


@hookimpl
def archspec_activations() -> Offers:
    return {"$name": Offer(SquaredOptions, squared, "max(x, 0) squared")}
