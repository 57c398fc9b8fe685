"""The figures of an evaluation as tables: the whole, the classes, and what is taken for what."""

from __future__ import annotations

import os
import textwrap

import numpy as np
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from archspec.errors import printable
from archspec.training.figures import ClassFigures, Figures
from archspec.training.intervals import Interval

_ALL = 30
"""So many classes are all shown; of more, the worst and the best."""
_WORST, _BEST, _CONFUSIONS = 10, 5, 10
_FIGURES = 62
"""Columns of a class's figures, the interval among them."""
_MATRIX = 12
"""So many classes have their confusions shown as a matrix, where it fits."""
_NOT_A_TERMINAL = 200
"""Columns where nobody says how many there are: a row stays on its line."""


def print_figures(figures: Figures, console: Console | None = None, *, all_classes: bool = False) -> None:
    """Show the figures of the split, then those of its classes, and last the confusions."""
    console = console or make_console()
    console.print(_overview(figures))
    _say(_calibration(figures), console)
    _print_classes(figures, console, all_classes=all_classes)
    names = [row.name for row in figures.classes]
    if not _print_matrix(figures.confusion, names, console):
        _print_confusions(figures.confusion, names, console)


def make_console() -> Console:
    """Standard output, wide where it is no terminal."""
    console = Console()
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=_NOT_A_TERMINAL)


def _say(text: str, console: Console) -> None:
    console.print(Text(textwrap.fill(text, console.width)), soft_wrap=True)


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False)


def _percent(share: float | None) -> str:
    """`85.4%`, or a dash where there is nothing to divide by."""
    return "-" if share is None else f"{share:.1%}"


def _overview(figures: Figures) -> Table:
    table = _table()
    table.add_column("")
    table.add_column("", justify="right")
    table.add_column("95% interval (Wilson)")
    all_of_them = f", all of {figures.top5_k} classes" if figures.top5_k == len(figures.classes) else ""
    shares = {"top1": "top-1", "top5": f"top-{figures.top5_k}{all_of_them}", "balanced_accuracy": "balanced accuracy"}
    for key, name in shares.items():
        table.add_row(name, Text(f"{getattr(figures, key):.2%}", "bold"), _range(figures.intervals[key]))
    table.add_row("macro F1", f"{figures.macro_f1:.2%}")
    table.add_row("loss", f"{figures.loss:.4f}")
    table.add_row("calibration error", f"{figures.calibration_error:.2%}")
    return table


def _range(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval[0]:.1%} to {interval[1]:.1%}"


def _calibration(figures: Figures) -> str:
    sure, right = figures.confidence, figures.top1
    judged = "too sure" if sure > right else "not sure enough" if sure < right else "as sure as it is right"
    return f"The network is {_percent(sure)} sure on average and {_percent(right)} right: {judged}."


def _print_classes(figures: Figures, console: Console, *, all_classes: bool) -> None:
    rows = list(figures.classes)
    measured = [row for row in rows if row.support]
    short = not all_classes and len(rows) > _ALL
    ranked = sorted(measured, key=lambda row: (row.f1 or 0.0, -row.support))
    if short and len(ranked) > _WORST + _BEST:
        shown: list[ClassFigures | None] = [*ranked[:_WORST], None, *ranked[-_BEST:]]
    else:
        shown = list(ranked if short else rows)
    console.print(_class_table(shown, len(ranked) - _WORST - _BEST, console.width))
    if len(measured) < len(rows):
        _say(f"{len(rows) - len(measured):,} of {len(rows):,} classes have no image in the split.", console)
    if short:
        _say(f"{len(rows):,} classes, the worst F1 first; --all-classes shows all.", console)


def _class_table(rows: list[ClassFigures | None], left_out: int, width: int) -> Table:
    """A row a class; the interval of its recall where there is room."""
    longest = max(cell_len(printable(row.name)) for row in rows if row is not None)
    roomy = longest + _FIGURES <= width
    table = _table()
    table.add_column("class", overflow="fold")
    for name in ("precision", "recall", *(["95% interval"] if roomy else []), "F1", "images"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        if row is None:
            table.add_row(f"... {left_out:,} more ...")
            continue
        interval = [_range(row.recall_interval)] if roomy else []
        cells = [_percent(row.precision), _percent(row.recall), *interval, _percent(row.f1), f"{row.support:,}"]
        table.add_row(Text(printable(row.name)), *cells)
    return table


def _print_matrix(confusion: np.ndarray, names: list[str], console: Console) -> bool:
    """Show the confusion matrix, its columns by number, where it fits; says whether it does."""
    if len(names) > _MATRIX:
        return False
    digits = max(len(f"{confusion.max():,}"), len(str(len(names))))
    heads = [f"{number} {printable(name)}" for number, name in enumerate(names, start=1)]
    corner = "is \\ taken for"
    taken = max(cell_len(head) for head in (corner, *heads)) + 2
    gap = next((gap for gap in (2, 1) if taken + len(names) * (digits + gap) <= console.width), None)
    if gap is None:
        return False
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, gap - 1))
    table.add_column(corner, no_wrap=True)
    for number in range(1, len(names) + 1):
        table.add_column(str(number), justify="right", no_wrap=True, min_width=digits)
    for place, (head, counts) in enumerate(zip(heads, confusion.tolist(), strict=True)):
        table.add_row(Text(head), *(_count(count, right=place == column) for column, count in enumerate(counts)))
    console.print(table)
    return True


def _count(count: int, *, right: bool) -> Text:
    return Text(f"{count:,}" if count else "·", "bold" if right else "yellow" if count else "dim")


def _print_confusions(confusion: np.ndarray, names: list[str], console: Console) -> None:
    """Show the pairs of classes that are confused most often."""
    pairs = most_confused(confusion, _CONFUSIONS)
    if not pairs:
        _say("No image is taken for another class.", console)
        return
    table = _table()
    table.add_column("most confused", overflow="fold")
    table.add_column("taken for", overflow="fold")
    table.add_column("images", justify="right", no_wrap=True)
    table.add_column("of the class", justify="right", no_wrap=True)
    for true, guess, count in pairs:
        share = _percent(count / int(confusion[true].sum()))
        table.add_row(Text(printable(names[true])), Text(printable(names[guess])), f"{count:,}", share)
    console.print(table)


def most_confused(confusion: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """Class, the class it is taken for, and how often: the most frequent first, then by the share of the class."""
    rows, columns = np.nonzero(confusion)
    rows, columns = (place[rows != columns] for place in (rows, columns))
    counts = confusion[rows, columns]
    order = np.lexsort((columns, rows, -counts / confusion.sum(1)[rows], -counts))[:most]
    return [(int(rows[place]), int(columns[place]), int(counts[place])) for place in order]
