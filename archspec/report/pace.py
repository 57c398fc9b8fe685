"""How fast a run goes, and when it will be done, from the times of its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archspec.training.results import StepResult


class Pace:
    """Time within epochs is counted by the step; time between them, as validation takes it, by the epoch."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self._last: tuple[StepResult, float] | None = None
        self._seconds = self._steps = self._images = 0.0
        self._between = 0.0

    def add(self, step: StepResult, now: float) -> None:
        """Note a step that ended at a time, in seconds of any clock."""
        if self._last is not None:
            last, then = self._last
            if step.epoch == last.epoch:
                self._seconds += now - then
                self._steps += 1
                self._images += step.images
            else:
                self._between = now - then
                self._fade()
        self._last = step, now

    def _fade(self) -> None:
        """Earlier epochs count for half: a machine has other work, too, and not always the same."""
        self._seconds, self._steps, self._images = self._seconds / 2, self._steps / 2, self._images / 2

    @property
    def images_per_second(self) -> float | None:
        """In training; None before two steps in a row."""
        return self._images / self._seconds if self._seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """To the end of the run, at the last step's time; None before two steps in a row.

        In the first epoch, what the validation will take is not known yet.
        """
        if self._last is None or not self._steps:
            return None
        step = self._last[0]
        epochs = self.epochs - step.epoch
        steps = step.batches - step.batch + epochs * step.batches
        return steps * self._seconds / self._steps + (epochs + 1) * self._between


def show_time(seconds: float) -> str:
    """`3:41`, `1:02:03`, `2 d 3 h`."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
