"""The phases of a run: stretches of epochs with equal treatments, and what each comes to. No torch here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from archspec.finetuning.compute import share_of_compute
from archspec.finetuning.names import name_ranges
from archspec.finetuning.prefix import Prefix, frozen_prefix
from archspec.finetuning.treatment import Policy, Statistics, Treatments, statistics
from archspec.plan.plan import Plan


@dataclass(frozen=True)
class Phase:
    """Epochs `start` to `stop - 1`, in which every parameter is treated alike."""

    start: int
    stop: int
    treatments: Treatments
    trains: tuple[str, ...]
    """The parts that train, such as `stages.2 to head`."""
    trained: int
    """How many numbers train."""
    frozen: int
    scales: tuple[float, float] | None
    """The least and the most factor on the learning rate of what trains."""
    norms: Mapping[Statistics, int]
    """How many steps with running statistics do what."""
    prefix: Prefix
    compute: float
    """The share of what training everything costs; see `share_of_compute`."""
    compute_kept: float
    """The same where the prefix's output is kept from an earlier epoch."""


def runs_of(policy: Policy, epochs: int) -> list[tuple[int, Treatments]]:
    """The epochs at which the treatments change, the first one's 0, and what they then are."""
    found: list[tuple[int, Treatments]] = []
    for epoch in range(epochs):
        treatments = policy(epoch)
        if not found or treatments != found[-1][1]:
            found.append((epoch, treatments))
    return found


def phases(plan: Plan, policy: Policy, epochs: int) -> tuple[Phase, ...]:
    """The phases of a run of so many epochs, in order."""
    runs = runs_of(policy, epochs)
    ends = [*(start for start, _ in runs[1:]), epochs]
    return tuple(_phase(plan, start, stop, found) for (start, found), stop in zip(runs, ends, strict=True))


def mean_compute(found: Iterable[Phase], *, kept: bool = False) -> float:
    """The share of a whole run's compute, over all of its epochs; `kept` as in `Phase.compute_kept`."""
    found = list(found)
    shares = [(phase.compute_kept if kept else phase.compute) * (phase.stop - phase.start) for phase in found]
    return sum(shares) / found[-1].stop


def _phase(plan: Plan, start: int, stop: int, treatments: Treatments) -> Phase:
    names = [name for name, treatment in treatments.items() if treatment.trains]
    scales = [treatments[name].scale for name in names]
    prefix = frozen_prefix(plan, treatments)
    sizes = {name: math.prod(shape) for name, shape, trained in plan.tensors() if trained}
    trained = sum(sizes[name] for name in names)
    return Phase(
        start=start,
        stop=stop,
        treatments=treatments,
        trains=name_ranges(plan, names),
        trained=trained,
        frozen=sum(sizes.values()) - trained,
        scales=(min(scales), max(scales)) if scales else None,
        norms=Counter(statistics(plan, treatments).values()),
        prefix=prefix,
        compute=share_of_compute(plan, treatments),
        compute_kept=share_of_compute(plan, treatments, skipped=prefix.steps),
    )
