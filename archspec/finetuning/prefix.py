"""The frozen prefix: the part of a network, from its input on, that is an inference graph. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.finetuning.treatment import Treatments, parameters_of, statistics
from archspec.plan.branches import Dropout, DropPath
from archspec.plan.operations import Shape
from archspec.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class Prefix:
    """The longest frozen run of a plan's steps, from its input up to a place where one value crosses."""

    steps: int
    """The prefix is `plan.steps[:steps]`; 0 where there is none."""
    value: int
    """The number of the value that crosses: what comes out of the prefix."""
    output: Shape
    """That value's shape, for one image."""
    border: str | None
    """The block in or before which it ends: `compile_network(plan, end=border)` is of it, and the block's steps before
    the cut are too. None where the whole network is frozen."""
    last: str | None
    """The name of its last step, such as `head.pool`."""
    at_border: bool
    """Whether it ends before the whole of `border`."""


def frozen_prefix(plan: Plan, treatments: Treatments) -> Prefix:
    """The longest run of steps from the input in which nothing trains and running statistics are used and do not move.

    It ends where one value crosses into what follows. Dropout and drop path inside it are off, as in evaluation; where
    they are its last step, they are what follows's, so that what trains behind them still has them.
    """
    steps = _frozen_steps(plan, treatments)
    dies = {value: number for number, step in enumerate(plan.steps) for value in step.inputs}
    dies[plan.blocks[-1].output] = len(plan.steps)
    found, crossing = 0, {0}
    for number in range(1, steps + 1):
        crossing.add(number)
        crossing = {value for value in crossing if dies.get(value, -1) >= number}
        if len(crossing) == 1 and not _draws(plan, *crossing):
            found, value = number, *crossing
    return _describe(plan, found, value if found else 0)


def _frozen_steps(plan: Plan, treatments: Treatments) -> int:
    """How many steps from the first are frozen, with running statistics as in evaluation."""
    bn = statistics(plan, treatments)
    for number, step in enumerate(plan.steps):
        trains = any(treatments[name].trains for name in parameters_of((step,)))
        if trains or bn.get(step.name, "eval") != "eval":
            return number
    return len(plan.steps)


def _draws(plan: Plan, value: int) -> bool:
    """Whether a value is what dropout makes."""
    return bool(value) and isinstance(plan.steps[value - 1].operation, Dropout | DropPath)


def _describe(plan: Plan, steps: int, value: int) -> Prefix:
    block = next((block for block in plan.blocks if block.stop > steps), None)
    return Prefix(
        steps=steps,
        value=value,
        output=plan.shape(value),
        border=block.name if block else None,
        last=plan.steps[steps - 1].name if steps else None,
        at_border=block is None or block.start == steps,
    )
