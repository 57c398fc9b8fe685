"""A run's freezing: what trains in each epoch, the optimizer's groups, the frozen prefix. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.errors import RunError
from archspec.finetuning.groups import Group, static_groups
from archspec.finetuning.phases import Phase, phases
from archspec.finetuning.policy import make_policy
from archspec.offers import Options
from archspec.plan.plan import Plan


@dataclass(frozen=True)
class Freezing:
    """A policy over the epochs of a run. All of it follows from the recipe, so nothing of it is in a checkpoint."""

    plan: Plan
    phases: tuple[Phase, ...]
    groups: tuple[Group, ...]
    """Of the parameters that train in some epoch."""
    never: tuple[str, ...]
    """The parameters that train in none."""

    def phase(self, epoch: int) -> Phase:
        """The phase of an epoch, which counts from 0."""
        return next(phase for phase in reversed(self.phases) if phase.start <= epoch)

    def cut(self, epoch: int) -> str | None:
        """The step at which the tail begins in an epoch, all before it being frozen; None where nothing is."""
        steps = self.phase(epoch).prefix.steps
        return self.plan.steps[steps].name if steps else None

    def scales(self, epoch: int) -> list[float]:
        """The factor on each group's learning rate; 0 for one that does not train."""
        return [group.at(epoch)[1] for group in self.groups]


def freezing_of(options: Options, plan: Plan, epochs: int) -> Freezing:
    """The freezing that a recipe's options mean.

    Raises:
        ArchspecError: the options ask what the plan cannot give, or there is an epoch in which nothing trains.

    """
    policy = make_policy(options, plan, epochs)
    found = phases(plan, policy, epochs)
    for phase in found:
        if not phase.trained:
            message = f"nothing trains in epoch {phase.start + 1} under '{options.offer.name}'"
            raise RunError(message, help="let it unfreeze something from the first epoch on")
    dimensions = {name: len(shape) for name, shape, _ in plan.tensors()}
    groups = static_groups(plan, policy, epochs, lambda name: dimensions[name] > 1)
    return Freezing(
        plan=plan,
        phases=found,
        groups=tuple(group for group in groups if group.ever_trains),
        never=tuple(name for group in groups if not group.ever_trains for name in group.names),
    )
