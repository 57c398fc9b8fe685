"""What a freezing policy says: how each parameter of a plan is treated at an epoch. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import ConfigDict

from archspec.errors import Refusal
from archspec.offers import Options
from archspec.plan.plan import Plan, Step

Statistics = Literal["train", "eval", "batch", "update"]
"""What a batch norm does. `train` and `update`: batch statistics, and the running ones move; `eval`: the running
statistics, as in evaluation; `batch`: batch statistics, and the running ones are left alone."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """How one parameter is treated at one epoch."""

    trains: bool
    scale: float = 1.0
    """The factor on the learning rate of one that trains."""
    bn: Statistics = "train"
    """What the batch norm does that the parameter belongs to; of other parameters nobody asks."""


Treatments = Mapping[str, Treatment]
"""By the names of all parameters of a plan."""
Policy = Callable[[int], Treatments]
"""The treatments at an epoch, which counts from 0: a pure function."""


class ImpossibleFreezing(Refusal):
    """A policy cannot do what its options ask of this plan.

    `path` leads to the option that is to blame, as `("freeze", 1)` to the second pattern of `freeze`. `hint` stands
    beside it, and `help` says how to mend it.
    """

    def __init__(self, message: str, *path: str | int, hint: str = "", help: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.hint = hint
        self.help = help


class FreezingOptions(Options):
    """Options of a freezing policy. A plugin's policy derives its own from this."""

    model_config = ConfigDict(defer_build=True)  # most commands never read any of them

    shorthand: ClassVar[str | None] = None
    """The option that `--freeze NAME:VALUE` sets."""

    bn: Literal["eval", "batch", "update"] = "eval"
    """What a batch norm does in a frozen layer. `eval`: running statistics, as in evaluation; `batch`: the batch's, and
    the running ones are left alone; `update`: the batch's, and the running ones move."""

    def treatments(self, plan: Plan, scales: Mapping[str, float]) -> Treatments:
        """The parameters in `scales` train, each at its scale, and all others are frozen.

        A batch norm of which any parameter trains does what it does in training, and any other one what `bn` says.
        """
        found = {}
        for step in plan.steps:
            names = parameters_of((step,))
            bn: Statistics = "train" if any(name in scales for name in names) else self.bn
            found.update({name: Treatment(name in scales, scales.get(name, 1.0), bn) for name in names})
        return MappingProxyType(found)


def parameters_of(steps: Iterable[Step]) -> list[str]:
    """The names of the parameters of some steps."""
    return [f"{step.name}.{name}" for step in steps for name in step.operation.parameters()]


def statistics(plan: Plan, treatments: Treatments) -> dict[str, Statistics]:
    """What each step with running statistics does, by its name.

    One without parameters does what the last step before it does that has some.
    """
    found: dict[str, Statistics] = {}
    bn = next(iter(treatments.values())).bn
    for step in plan.steps:
        for name in parameters_of((step,))[:1]:
            bn = treatments[name].bn
        if step.operation.buffers():
            found[step.name] = bn
    return found
