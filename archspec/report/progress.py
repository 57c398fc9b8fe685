"""How a training run shows itself: a live bar on a terminal, a plain line an epoch elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from archspec.training.loop import EpochResult, StepResult


class TrainingProgress:
    """Shows steps and epochs on standard error. Use it as a context."""

    def __init__(self, epochs: int, console: Console | None = None) -> None:
        self.epochs = epochs
        self.console = console or Console(stderr=True)
        self._loss: float | None = None
        self._shown = 0.0
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, epoch=f"1/{epochs}", loss=0.0)

    def __enter__(self) -> TrainingProgress:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def step(self, step: StepResult) -> None:
        """Move the bar, some ten times a second. The loss shown is smoothed over about ten looks."""
        now = time.monotonic()
        if self._progress.disable or (now - self._shown < 0.1 and step.batch < step.batches):
            return
        self._shown = now
        loss = float(step.loss)
        self._loss = loss if self._loss is None else 0.9 * self._loss + 0.1 * loss
        self._progress.update(
            self._task,
            total=step.batches,
            completed=step.batch,
            epoch=f"{step.epoch}/{self.epochs}",
            loss=self._loss,
        )

    def epoch(self, epoch: EpochResult, *, best: bool) -> None:
        """Print an epoch's line."""
        width = len(str(self.epochs))
        self.console.print(
            f"epoch {epoch.epoch:{width}}/{self.epochs}  train {epoch.train_top1:6.1%} loss {epoch.train_loss:.3f}  "
            f"{_validation(epoch)}{epoch.images_per_second:5,.0f} images/s{'  best' if best else ''}{_skipped(epoch)}",
            highlight=False,
            soft_wrap=True,
        )


def _validation(epoch: EpochResult) -> str:
    found = epoch.validation
    return f"validation {found.top1:6.1%} loss {found.loss:.3f}  " if found else ""


def _skipped(epoch: EpochResult) -> str:
    count = epoch.skipped + (epoch.validation.skipped if epoch.validation else 0)
    return f"  {count:,} not read" if count else ""
