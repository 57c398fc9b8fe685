"""The two lines that show a run on a terminal, whatever its width: what does not fit is left out, nothing wraps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.text import Text

from archspec.report.course import ASCII, BLOCKS
from archspec.report.memory import allocated_bytes, resident_bytes, show_bytes
from archspec.report.pace import show_time
from archspec.report.so_far import Figures
from archspec.training.results import StepResult

_ECHO = 2
"""Columns for the ^C that a terminal writes behind the last line: wrapped, it would move the lines that are erased."""
_LEAST_BAR, _LEAST_COURSE, _MOST_COURSE = 10, 8, 24
_LABELS = ("epoch", "ETA", "loss", "train", "images/s", "lr", "best", "in epoch", "memory", "GPU", "validating")

Part = tuple[int, str]
"""How soon it is left out where there is no room, the highest first; and its text."""


@dataclass
class RunView:
    """What rich draws: the figures as they are."""

    epochs: int
    figures: Figures
    best: tuple[int, float] | None = None
    """An epoch, and its validation accuracy."""
    measured: int = 0
    """The last epoch whose validation is done."""
    notice: str = ""
    """What stands in the place of the results, once there is something to say."""

    preparing: str = ""
    """What stands in the place of everything, while there are no steps."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        step, width = self.figures.step, options.max_width
        if step is None or self.preparing:
            yield _text(self.notice or self.preparing or "waiting for the first batch")
            return
        yield from self._position(step, console, options)
        yield Segment.line()
        yield _text(self.notice or self._results(step, width - _ECHO, ASCII if options.ascii_only else BLOCKS))

    def _position(self, step: StepResult, console: Console, options: ConsoleOptions) -> RenderResult:
        """Epoch, bar, step and the time that is left."""
        width = options.max_width
        before = f"epoch {step.epoch:{len(str(self.epochs))}}/{self.epochs}"
        left = self.figures.pace.seconds_left
        count = f"{step.batch:{len(str(step.batches))}}/{step.batches}"
        parts = [(0, count), (2, "ETA   -:--" if left is None else f"ETA {show_time(left):>6}")]
        if step.batch == step.batches and step.epoch > self.measured:
            parts.append((1, "validating"))
        room = width - len(before) - 2
        after = fit(parts, max(len(count), room - _LEAST_BAR - 2))
        bar = room - len(after) - 2
        yield _text(before if bar < 1 else f"{before}  ")
        if bar >= 1:
            drawn = list(console.render(ProgressBar(step.batches, step.batch, width=bar), options))
            yield from drawn
            yield Segment(" " * (bar - Segment.get_line_length(drawn)))  # without colours, rich draws no rest
        yield _text(f"  {after}")

    def _results(self, step: StepResult, width: int, levels: str) -> str:
        """Loss with its course, accuracies, speed, learning rate and memory, as many as there is room for."""
        if self.figures.loss is None:  # nobody has looked yet
            return ""
        before, after = [(0, f"loss {self.figures.loss:.3f}")], self._parts(step)
        room = width - len(fit([*before, (2, " " * _LEAST_COURSE), *after], width))
        cells = min(_MOST_COURSE, _LEAST_COURSE + room)
        course = self.figures.course.draw(cells, levels).ljust(cells)
        return fit([*before, (2, course), *after], width)

    def _parts(self, step: StepResult) -> list[Part]:
        speed, top1 = self.figures.pace.images_per_second, self.figures.top1
        resident, allocated = resident_bytes(), allocated_bytes(step.loss.device)
        parts = [
            (1, None if top1 is None else f"train {top1:6.1%}"),
            (3, None if speed is None else f"{speed:5,.0f} images/s"),
            (5, f"lr {step.lr:.2e}"),
            (4, None if self.best is None else f"best {self.best[1]:.1%} in epoch {self.best[0]}"),
            (7, None if resident is None else f"memory {show_bytes(resident)}"),
            (6, None if allocated is None else f"GPU {show_bytes(allocated)}"),
        ]
        return [(rank, text) for rank, text in parts if text is not None]


def fit(parts: Sequence[Part], width: int) -> str:
    """The parts in a line, two spaces between them; those that have no room are left out."""
    kept = list(parts)
    while len(kept) > 1 and sum(len(text) + 2 for _, text in kept) - 2 > width:
        kept.remove(max(kept, key=lambda part: part[0]))
    return "  ".join(text for _, text in kept)


def _text(content: str) -> Text:
    text = Text(content, end="", no_wrap=True, overflow="crop")
    text.highlight_words(_LABELS, "bright_black")
    text.highlight_regex(f"[{BLOCKS}]+", "cyan")
    return text
