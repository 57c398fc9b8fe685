"""Learning-rate schedules: pure functions of the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from archspec import Offer, Offers, Options, hookimpl

Schedule = Callable[[int], float]


class CosineOptions(Options):
    """Options of the cosine schedule."""

    end: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The factor that it falls towards."""


def cosine(options: CosineOptions, steps: int) -> Schedule:
    """end + (1 - end) * (1 + cos(pi * step / steps)) / 2.  Loshchilov and Hutter 2017."""
    return lambda step: options.end + (1 - options.end) * (1 + math.cos(math.pi * step / steps)) / 2


def constant(options: Options, steps: int) -> Schedule:
    """1."""
    return lambda step: 1.0


@hookimpl
def archspec_schedules() -> Offers:
    return {
        "cosine": Offer(CosineOptions, cosine, "half a cosine from the peak to `end`"),
        "constant": Offer(Options, constant, "the same rate throughout"),
    }
