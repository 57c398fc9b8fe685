"""Learning-rate schedules: pure functions of the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from archspec import Offer, Offers, Options, hookimpl

Schedule = Callable[[int], float]
Factor = Annotated[float, Field(ge=0, le=1)]


def _no_epoch(value: object) -> object:
    """Refuse a number such as 30, an epoch in other libraries, of a run whose length is not known here."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 1:
        raise ValueError(f"must be a share of the schedule, below 1, not {value:,}: epoch 30 of 90 is 0.333")
    return value


Share = Annotated[float, Field(gt=0, lt=1), BeforeValidator(_no_epoch)]


class FallingOptions(Options):
    """Options of the schedules that fall all the way."""

    end: Factor = 0.0
    """The factor that it falls towards."""


class PolynomialOptions(FallingOptions):
    """Options of the polynomial schedule."""

    power: Annotated[float, Field(gt=0, le=10)] = 1.0
    """1 is a line; DeepLab's is 0.9."""


class StepOptions(Options):
    """Options of the step schedule."""

    milestones: Annotated[tuple[Share, ...], Field(min_length=1, max_length=100)] = (0.5, 0.75)
    """Where the rate falls, as shares of the schedule, which is the run without warm-up and cool-down."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    """The factor at each milestone."""


class OneCycleOptions(Options):
    """Options of the one-cycle schedule."""

    rise: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """The share of the schedule in which it rises."""
    start: Factor = 0.04
    """The factor that it rises from."""
    end: Factor = 4e-6
    """The factor that it ends at."""
    shape: Literal["cosine", "linear"] = "cosine"
    """How it rises and falls."""


def cosine(options: FallingOptions, steps: int) -> Schedule:
    """end + (1 - end) (1 + cos(pi step / steps)) / 2.  Loshchilov and Hutter 2017."""
    return lambda step: options.end + (1 - options.end) * (1 + math.cos(math.pi * step / steps)) / 2


def polynomial(options: PolynomialOptions, steps: int) -> Schedule:
    """end + (1 - end) (1 - step / steps)^power."""
    return lambda step: options.end + (1 - options.end) * (1 - step / steps) ** options.power


def step_down(options: StepOptions, steps: int) -> Schedule:
    """gamma^(milestones that are behind).  He et al. 2015."""
    milestones = [max(1, round(share * steps)) for share in options.milestones]  # the first step is at the peak
    return lambda step: options.gamma ** sum(milestone <= step for milestone in milestones)


def one_cycle(options: OneCycleOptions, steps: int) -> Schedule:
    """From `start` up to 1, reached at step `rise * steps - 1`, then down to `end` at the last.  Smith 2018.

    The momentum does not cycle.
    """
    top = max(0.0, options.rise * steps - 1)
    fall = steps - 1 - top or 1.0

    def factor(step: int) -> float:
        low, share = (options.start, 1 - step / top) if step < top else (options.end, (step - top) / fall)
        return low + (1 - low) * ((1 + math.cos(math.pi * share)) / 2 if options.shape == "cosine" else 1 - share)

    return factor


def constant(options: Options, steps: int) -> Schedule:
    """1."""
    return lambda step: 1.0


@hookimpl
def archspec_schedules() -> Offers:
    return {
        "cosine": Offer(FallingOptions, cosine, "half a cosine from the peak to `end`"),
        "one-cycle": Offer(OneCycleOptions, one_cycle, "up from `start` to the peak, and down to `end`"),
        "step": Offer(StepOptions, step_down, "falls at milestones"),
        "polynomial": Offer(PolynomialOptions, polynomial, "a power of what is left of the run; by default a line"),
        "constant": Offer(Options, constant, "the same rate throughout"),
    }
