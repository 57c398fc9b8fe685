"""What a run has come to so far: loss, accuracy and pace, gathered from its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from archspec.report.course import Course
from archspec.report.pace import Pace

if TYPE_CHECKING:
    from archspec.training.results import StepResult

_NEWEST = 0.05
"""The share of the newest step in the smoothed loss."""


class Figures:
    """Steps are noted as they come, and their tensors stay on the device until someone looks."""

    def __init__(self, epochs: int) -> None:
        self.step: StepResult | None = None
        """The last one."""
        self.loss: float | None = None
        """Smoothed over some twenty steps, of those that were looked at."""
        self.course = Course()
        self.pace = Pace(epochs)
        self._waiting: list[StepResult] = []
        self._correct = self._images = 0

    @property
    def top1(self) -> float | None:
        """Training accuracy in this epoch, at the last look."""
        return self._correct / self._images if self._images else None

    def add(self, step: StepResult, now: float) -> None:
        """Note a step that ended at a time."""
        if self.step is not None and step.epoch != self.step.epoch:
            self._waiting.clear()
            self._correct = self._images = 0
        self.step = step
        self.pace.add(step, now)
        self._waiting.append(step)

    def look(self) -> None:
        """Bring the figures of all steps since the last look to the host. A GPU is waited for once."""
        if not self._waiting:
            return
        losses = torch.stack([step.loss for step in self._waiting]).float()
        correct = torch.stack([step.correct for step in self._waiting]).sum()
        *found, right = torch.cat([losses, correct.float()[None]]).tolist()
        self._correct += round(right)
        self._images += sum(step.images for step in self._waiting)
        self._waiting.clear()
        for loss in found:
            self.loss = loss if self.loss is None else (1 - _NEWEST) * self.loss + _NEWEST * loss
            self.course.add(self.loss)
