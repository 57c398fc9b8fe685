"""How a training run shows itself: two live lines on a terminal, and a plain line an epoch below or elsewhere."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from archspec.report.live import RunView
from archspec.report.pace import show_time
from archspec.report.so_far import Figures
from archspec.report.words import plural

if TYPE_CHECKING:
    from archspec.finetuning.solve import HeadResult
    from archspec.training.records import EpochMetrics
    from archspec.training.results import EpochResult, FeatureResult, StepResult

_LIVE, _PLAIN = 0.1, 60.0
"""Seconds between two drawings on a terminal, and between two lines of an epoch elsewhere."""


class TrainingProgress:
    """Shows steps and epochs on standard error. Use it as a context.  `best` is the best epoch of a resumed run."""

    def __init__(self, epochs: int, console: Console | None = None, *, best: EpochMetrics | None = None) -> None:
        self.epochs = epochs
        self.console = console or Console(stderr=True)
        self.live = _takes_drawings(self.console)
        self._figures = Figures(epochs)
        known = (best.epoch, best.top1) if best is not None and best.top1 is not None else None
        self._view = RunView(epochs, self._figures, known)
        # a thread draws, which Ctrl-C does not reach: half a drawing would be left behind
        self._screen = Live(self._view, console=self.console, refresh_per_second=1 / _LIVE, transient=True)
        self._shown = 0.0

    def __enter__(self) -> TrainingProgress:
        self._shown = time.monotonic()
        if self.live:
            self._screen.start(refresh=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._screen.stop()

    def step(self, step: StepResult) -> None:
        """Note a step, and look at its figures: on a terminal ten times a second at most, elsewhere once a minute."""
        now = time.monotonic()
        self._figures.add(step, now)
        ended = self.live and step.batch == step.batches  # what comes now may take a while
        if now - self._shown < (_LIVE if self.live else _PLAIN) and not ended:
            return
        self._shown = now
        self._figures.look()
        if not self.live:
            self._print(self._describe(step))

    def features(self, result: FeatureResult) -> None:
        """Note how many images went through the frozen part; elsewhere than on a terminal, the last is told."""
        done = result.images >= result.total
        self._view.preparing = "" if done else f"{self._name(result.epoch)}  {_describe_features(result)}"
        if done and not self.live:
            self._print(f"{self._name(result.epoch)}  {_describe_features(result)}")

    def head(self, result: HeadResult) -> None:
        """Print what came of solving the head."""
        self._print(f"{self._name(1)}  head solved: L2 penalty {result.penalty:.2g}, validation loss {result.loss:.3f}")

    def _describe(self, step: StepResult) -> str:
        speed, left = self._figures.pace.images_per_second, self._figures.pace.seconds_left
        parts = [f"{self._name(step.epoch)}  step {step.batch:,}/{step.batches:,}", f"loss {self._figures.loss:.3f}"]
        if speed is not None and left is not None:
            parts += [f"{speed:,.0f} images/s", f"{show_time(left)} left"]
        return "  ".join(parts)

    def epoch(self, epoch: EpochResult, *, best: bool) -> None:
        """Print an epoch's line; where the terminal is narrower, in several."""
        self._view.measured = epoch.epoch
        if best and epoch.validation is not None:
            self._view.best = epoch.epoch, epoch.validation.top1
        width = self.console.width if self.live else None
        self._print(_describe_epoch(self._name(epoch.epoch), epoch, best=best, width=width))
        self._shown = time.monotonic()

    def notice(self, text: str) -> None:
        """Show a sentence from within a signal's handler, where hardly anything may be called.

        The thread that draws shows it; without one, it goes to standard error past all buffers.
        """
        self._view.notice = text
        if not self.live:
            with contextlib.suppress(OSError, ValueError):  # a stream without a file has no number
                os.write(self.console.file.fileno(), f"{'':10}{text}\n".encode())

    def warn(self, message: str) -> None:
        """Print a warning."""
        self._print(f"warning: {message}")

    def _name(self, epoch: int) -> str:
        return f"epoch {epoch:{len(str(self.epochs))}}/{self.epochs}"

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def _describe_features(result: FeatureResult) -> str:
    return f"features of the frozen part: {result.images:,} of {plural(result.total, 'image')}"


def _takes_drawings(console: Console) -> bool:
    """Whether lines can be drawn over. rich takes a file for a terminal too, where FORCE_COLOR is set."""
    isatty = getattr(console.file, "isatty", None)
    return console.is_terminal and not console.is_dumb_terminal and isatty is not None and isatty()


def _describe_epoch(name: str, epoch: EpochResult, *, best: bool, width: int | None) -> str:
    """An epoch's figures in a line, or in two where that is wider than the terminal."""
    train = f"train {epoch.train_top1:6.1%} loss {epoch.train_loss:.3f}"
    found = epoch.validation
    validation = f"validation {found.top1:6.1%} loss {found.loss:.3f}  " if found is not None else ""
    speed = f"{epoch.images_per_second:5,.0f} images/s"
    skipped = epoch.skipped + (found.skipped if found is not None else 0)
    notes = ("  best" if best else "") + (f"  {skipped:,} not read" if skipped else "")
    line = f"{name}  {train}  {validation}{speed}{notes}"
    if width is None or len(line) <= width:
        return line
    return f"{name}  {train}  {speed.lstrip()}\n{' ' * len(name)}  {validation.rstrip()}{notes}"
