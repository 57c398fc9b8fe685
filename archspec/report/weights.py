"""A plan of weights as a table, and below it whatever is not simply copied."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from archspec.data.preprocessing import Preprocessing
from archspec.errors import printable
from archspec.report.figures import make_console
from archspec.report.words import plural
from archspec.weights.compare import Comparison
from archspec.weights.explain import group_names
from archspec.weights.plan import WeightsPlan
from archspec.weights.rows import ACTIONS, Row

_INDENT = 14
_SHOWN = 12
"""So many groups of an action are listed; `--json` has all."""


def print_weights(planned: WeightsPlan, console: Console | None = None) -> None:
    """Show what a network takes from a file."""
    console = console or make_console()
    _say(console, f"{planned.source} -> {planned.plan.name}, by {_whose(planned.naming)}")
    if planned.sha256 is not None:
        _entry(console, "SHA-256", [planned.sha256])
    console.print(_table(planned))
    for label, lines in _details(planned):
        _entry(console, label, lines)
    for note in planned.notes:
        _entry(console, "note", [note])
    _entry(console, "preprocessing", _preprocessing(planned))
    if planned.classes is not None:
        named = ", ".join(planned.classes[:3]) + (", ..." if len(planned.classes) > 3 else "")
        _entry(console, "classes", [f"{len(planned.classes):,} of the file: {named}"])
    _entry(console, "coverage", [_coverage(planned)])


def _whose(naming: str) -> str:
    return "the order of its tensors" if naming == "order" else f"the names of {naming}"


def _table(planned: WeightsPlan) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in ("tensors", "parameters"):
        table.add_column(name, justify="right", no_wrap=True)
    colours = {"copied": "green", "adapted": "cyan", "reset": "yellow", "missing": "red"}
    for action in ACTIONS:
        rows = planned.of(action)
        colour = colours[action] if rows else "dim"
        table.add_row(Text(action, colour), f"{len(rows):,}", f"{planned.count(action):,}")
    colour = "yellow" if planned.unused else "dim"
    table.add_row(Text("unused", colour), f"{len(planned.unused):,}", f"{planned.unused_parameters:,}")
    return table


def _details(planned: WeightsPlan) -> Iterator[tuple[str, list[str]]]:
    """A label and lines for each action but copying."""
    for action in ("adapted", "reset", "missing"):
        reasons: dict[tuple[str, bool], list[Row]] = {}
        for row in planned.of(action):
            reasons.setdefault((row.reason, row.allowed), []).append(row)
        lines = [
            f"{', '.join(_shortened(list(group_names(row.name for row in rows))))}: {reason}"
            + (", allowed" if allowed else "")
            for (reason, allowed), rows in reasons.items()
        ]
        if lines:
            yield action, _shortened(lines)
    if planned.unused:
        yield "unused", [", ".join(_shortened(list(group_names(planned.unused))))]


def _shortened(lines: list[str]) -> list[str]:
    left = len(lines) - _SHOWN
    return lines if left <= 0 else [*lines[:_SHOWN], f"and {left:,} more (--json has all)"]


def _preprocessing(planned: WeightsPlan) -> list[str]:
    known = planned.preprocessing
    if known is None:
        return ["not known: neither the file nor its names say"]
    return [say_preprocessing(known.values), known.origin]


def say_preprocessing(values: Preprocessing) -> str:
    """`224x224 of 256x256, bilinear, crop 0.875, mean 0.485 0.456 0.406, std 0.229 0.224 0.225`."""
    size, resized = ("x".join(map(str, pair)) for pair in (values.size, values.resized))
    mean, std = (" ".join(f"{value:g}" for value in group) for group in (values.mean, values.std))
    how = "" if values.resize == "crop" else f" ({values.resize})"
    return f"{size} of {resized}{how}, {values.interpolation}, crop {values.crop:.3g}, mean {mean}, std {std}"


def _coverage(planned: WeightsPlan) -> str:
    filled = sum(row.filled for row in planned.rows)
    wanted = sum(row.wanted for row in planned.rows)
    left = planned.plan.parameters - wanted
    out = f"; {left:,} that begin afresh on purpose are left out" if left else ""
    return f"{planned.coverage:.1%}: {filled:,} of {wanted:,} parameters take values{out}"


def _entry(console: Console, label: str, lines: Sequence[str]) -> None:
    """A label, and beside it lines that are folded to the width of the terminal."""
    width = max(console.width - _INDENT, 20)
    folded = [part for line in lines for part in textwrap.wrap(printable(line), width, subsequent_indent="  ")]
    for number, line in enumerate(folded or [""]):
        head = Text(f"{label:{_INDENT - 1}} " if number == 0 else " " * _INDENT, "bold" if number == 0 else "")
        console.print(head + Text(line), soft_wrap=True)


def _say(console: Console, text: str) -> None:
    console.print(Text(textwrap.fill(printable(text), console.width)), soft_wrap=True)


def print_comparison(found: Comparison, facts: Mapping[str, str], console: Console | None = None) -> None:
    """Show how the outputs of two networks differ."""
    console = console or make_console()
    for label, text in facts.items():
        _entry(console, label, [text])
    _entry(console, "largest", [f"difference {found.absolute:.3g}, of outputs up to {found.scale:.3g}"])
    _entry(console, "relative", [f"{found.relative:.3g}, and {found.tolerance:g} is allowed"])
    _entry(console, "argmax", [f"the same for {found.agreeing:,} of {plural(found.images, 'image')}"])
