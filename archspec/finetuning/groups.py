"""Static groups: parameters that have the same rates and the same decay throughout a run. No torch here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archspec.finetuning.phases import runs_of
from archspec.finetuning.treatment import Policy
from archspec.plan.plan import Plan

Course = tuple[tuple[int, bool, float], ...]
"""From which epoch on a parameter trains, or not, and at which scale; what is frozen has a scale of 0."""


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that are treated alike at every epoch of a run, and decay alike."""

    decays: bool
    course: Course
    names: tuple[str, ...]

    @property
    def ever_trains(self) -> bool:
        return any(trains for _, trains, _ in self.course)

    def at(self, epoch: int) -> tuple[bool, float]:
        """Whether it trains at an epoch, and at which scale."""
        _, trains, scale = next(change for change in reversed(self.course) if change[0] <= epoch)
        return trains, scale


def static_groups(plan: Plan, policy: Policy, epochs: int, decays: Callable[[str], bool]) -> tuple[Group, ...]:
    """Every parameter in one group, by whether it decays, and by how it trains over all epochs of the run.

    Groups that decay come first, and each kind in the order of its first parameter; so an optimizer's groups are those
    of the first step from then on, whenever a run is resumed.
    """
    runs = runs_of(policy, epochs)
    found: dict[tuple[bool, Course], list[str]] = {}
    for name, _, trained in plan.tensors():
        if trained:
            course: list[tuple[int, bool, float]] = []
            for start, treatments in runs:
                treatment = treatments[name]
                change = treatment.trains, treatment.scale if treatment.trains else 0.0
                if not course or course[-1][1:] != change:
                    course.append((start, *change))
            found.setdefault((decays(name), tuple(course)), []).append(name)
    groups = [Group(decay, course, tuple(names)) for (decay, course), names in found.items()]
    return tuple(sorted(groups, key=lambda group: not group.decays))
