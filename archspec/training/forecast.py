"""What a run will take, from what was measured before its first step: time, memory, disk."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archspec.training.recipe import MOST_EPOCHS

if TYPE_CHECKING:
    from archspec.training.loop import Trainer


@dataclass(frozen=True)
class PhaseTime:
    """Epochs that train alike, and what they take."""

    start: int
    """The first of them, counted from 0."""
    step_seconds: float
    """Of one update of the weights, images already read; the median of those measured."""
    image_seconds: float
    """To evaluate one image."""
    prefix_seconds: float | None = None
    """To take one image through the frozen prefix, where what comes of it is kept and a step begins behind it."""


@dataclass(frozen=True)
class Forecast:
    """What a run will take."""

    phases: tuple[PhaseTime, ...]
    memory: int
    """Bytes of weights, gradients, the optimizer, and of what the backward pass needs of a batch."""
    memory_free: int | None
    """None where the system does not tell."""
    disk: int
    """Bytes of the checkpoints: the best, the last, the one before, and one that is being written."""
    disk_free: int
    bf16: tuple[PhaseTime, ...] | None = None
    """In bf16, on a CPU that was built for it and trains in float32 because nothing else is said."""


def epoch_seconds(trainer: Trainer, phases: Sequence[PhaseTime], epochs: int | None = None) -> list[float]:
    """Seconds of each epoch, with its share of the evaluations and the passes that keep features.

    Phases are measured at the size of the first epoch's images; others count by their pixels. An epoch that solves the
    head has no steps, and what that takes does not count. `epochs` is the trainer's own where nothing is said.
    """
    epochs, recipe = epochs or trainer.epochs, trainer.recipe
    passed = trainer.features.images_passed() if trainer.features is not None else {}
    sides = recipe.sides(epochs, min(trainer.network.plan.input[1:]))
    evaluation = len(trainer.validation_loader.index) / recipe.evaluate_every
    seconds = []
    for epoch in range(epochs):
        phase = next(phase for phase in reversed(phases) if phase.start <= epoch)
        side = next(side for start, side in reversed(sides) if start <= epoch)
        kept = phase.prefix_seconds is not None
        step = phase.step_seconds * (1 if kept else (side / sides[0][1]) ** 2)
        steps = 0 if trainer.solves_head and epoch == 0 else trainer.steps_per_epoch
        passes = (phase.prefix_seconds or 0) * passed.get(epoch, 0)
        seconds.append(step * steps + phase.image_seconds * evaluation + passes)
    return seconds


def run_seconds(trainer: Trainer, phases: Sequence[PhaseTime]) -> float:
    """Seconds of the run."""
    return sum(epoch_seconds(trainer, phases))


def epochs_within(seconds: float, trainer: Trainer, phases: Sequence[PhaseTime]) -> int:
    """How many whole epochs fit, and at least one."""
    within = bisect.bisect_right(range(1, MOST_EPOCHS), seconds, key=lambda n: sum(epoch_seconds(trainer, phases, n)))
    return max(1, within)
