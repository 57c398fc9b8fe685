"""What a schedule promises: a pure function of the step, from 0 to 1, over runs of any length."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from archspec.offers import Options
from archspec.testing.cases import Fault
from archspec.testing.randomness import randomness_left_alone

_RUNS = (1, 2, 3, 10, 101, 1_000_003)
"""Steps of a run, from the shortest."""
_LOOKED_AT = 100
"""So many steps of a long run are tried at each end, and so many between."""
_ROUNDING = 1e-9


def prove_schedule(options: Options) -> None:
    """Hold a schedule to its promises, over runs of several lengths.

    Raises:
        Fault: it broke one.

    """
    for steps in _RUNS:
        looked_at = _steps_of(steps)
        schedule, again = (_make(options, steps) for _ in range(2))
        with randomness_left_alone("it", "the same run would have another rate"):
            forward = {step: _factor(schedule, step, steps) for step in looked_at}
        shuffled = random.Random(steps).sample(looked_at, len(looked_at))
        for step in (*shuffled, *reversed(looked_at)):
            for other in (schedule, again):
                if (value := _factor(other, step, steps)) != forward[step]:
                    what = f"step {step} of {steps} has the factor {forward[step]}, and asked again {value}"
                    raise Fault(f"{what}: it must depend on the step alone, or a resumed run is another one")
        if not any(forward.values()):
            raise Fault(f"its factor is 0 at each of {steps} steps: nothing would be learned")


def _steps_of(steps: int) -> list[int]:
    if steps <= 3 * _LOOKED_AT:
        return list(range(steps))
    between = random.Random(0).sample(range(_LOOKED_AT, steps - _LOOKED_AT), _LOOKED_AT)
    return [*range(_LOOKED_AT), *sorted(between), *range(steps - _LOOKED_AT, steps)]


def _make(options: Options, steps: int) -> Callable[[int], float]:
    schedule = options.offer.make(options, steps)
    if not callable(schedule):
        raise Fault(f"`make` must return a function of the step, not {schedule!r}")
    made: Callable[[int], float] = schedule
    return made


def _factor(schedule: Callable[[int], float], step: int, steps: int) -> float:
    """The factor at a step, which is from 0 to 1."""
    where = f"at step {step} of {steps}, its steps being 0 to {steps - 1},"
    try:
        factor = schedule(step)
    except Exception as error:
        raise Fault(f"{where} it fails: {type(error).__name__}: {error}") from error
    if not isinstance(factor, int | float):
        raise Fault(f"{where} it gives {factor!r}, and must give a number")
    if not math.isfinite(factor) or not 0 <= factor <= 1 + _ROUNDING:
        raise Fault(f"{where} its factor is {factor}, and must be from 0 to 1, the share of the peak rate")
    return factor
