"""A learning-rate schedule: cosines that start anew."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

from archspec import Offer, Offers, Options, hookimpl
from pydantic import Field


class RestartsOptions(Options):
    """Options of the schedule."""

    cycles: Annotated[int, Field(ge=1, le=1_000)] = 3
    """How often it falls, over equal parts of the run."""
    end: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The factor that each part falls towards."""


def restarts(options: RestartsOptions, steps: int) -> Callable[[int], float]:
    """end + (1 - end) (1 + cos(pi t)) / 2, t the share of a part that is done.  Loshchilov and Hutter 2017.

    A function of the step and of nothing else, so that a run that is resumed has the same rates.
    """

    def factor(step: int) -> float:
        done = options.cycles * step / steps % 1
        return options.end + (1 - options.end) * (1 + math.cos(math.pi * done)) / 2

    return factor


@hookimpl
def archspec_schedules() -> Offers:
    return {"$name": Offer(RestartsOptions, restarts, "cosines that start anew")}
