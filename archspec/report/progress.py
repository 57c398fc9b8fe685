"""How a training run shows itself: a live bar on a terminal, a plain line an epoch elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")


class Step(Protocol):
    """What is shown of a step."""

    @property
    def epoch(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def batches(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def top1(self) -> float: ...


class Validation(Protocol):
    """What is shown of an evaluation."""

    @property
    def top1(self) -> float: ...
    @property
    def loss(self) -> float: ...


class Epoch(Protocol):
    """What is shown of an epoch."""

    @property
    def epoch(self) -> int: ...
    @property
    def rate(self) -> float: ...
    @property
    def train_loss(self) -> float: ...
    @property
    def train_top1(self) -> float: ...
    @property
    def validation(self) -> Validation: ...
    @property
    def seconds(self) -> float: ...
    @property
    def images_per_second(self) -> float: ...


class TrainingProgress:
    """Shows steps and epochs on standard error. Use it as a context."""

    def __init__(self, epochs: int, console: Console | None = None) -> None:
        self.epochs = epochs
        self.console = console or Console(stderr=True)
        self._mean_loss = 0.0
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}  {task.fields[top1]:.0%}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, epoch=f"1/{epochs}", loss=0.0, top1=0.0)

    def __enter__(self) -> TrainingProgress:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def step(self, step: Step) -> None:
        """Move the bar. The loss shown is smoothed over about ten steps."""
        self._mean_loss = step.loss if step.batch == 1 else 0.9 * self._mean_loss + 0.1 * step.loss
        self._progress.update(
            self._task,
            total=step.batches,
            completed=step.batch,
            epoch=f"{step.epoch}/{self.epochs}",
            loss=self._mean_loss,
            top1=step.top1,
        )

    def epoch(self, epoch: Epoch, *, best: bool) -> None:
        """Print an epoch's line."""
        width = len(str(self.epochs))
        self.console.print(
            f"epoch {epoch.epoch:{width}}/{self.epochs}  loss {epoch.train_loss:.3f}  train {epoch.train_top1:6.1%}  "
            f"validation {epoch.validation.top1:6.1%}{' *' if best else '  '} {epoch.images_per_second:5,.0f} images/s",
            highlight=False,
            soft_wrap=True,
        )


def track(items: Iterable[T], total: int, what: str) -> Iterable[T]:
    """The items, with a bar on standard error where that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from items
        return
    with Progress(TextColumn(what), BarColumn(), MofNCompleteColumn(), console=console, transient=True) as progress:
        yield from progress.track(items, total=total)
