"""An inspected data set as tables, and what is wrong with it."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from archspec.data.findings import Finding
from archspec.data.inspection import Inspection, SplitFacts, Spread
from archspec.data.look import Looks
from archspec.errors import printable

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
_ROWS = 30
"""Classes that are shown; of more, the largest and the smallest."""
_EXAMPLES = 3
"""Images or pairs that are shown with a finding."""
_BAR = 24
"""Columns of the longest bar."""
_SILENCE = 30.0
"""Seconds after which a long work says how far it is."""


T = TypeVar("T")


def track(parts: Iterable[T], total: int, doing: str, console: Console | None = None) -> Iterator[T]:
    """Pass on parts of a work on `total` images, and show on a terminal how far it is; elsewhere, a line now and then.

    A part counts for one image, or for those of its `rows`.
    """
    console = console or Console(stderr=True)
    columns = TextColumn(doing), BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn(compact=True)
    said, done = time.monotonic(), 0
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        for part in parts:
            done += len(part.rows) if isinstance(part, Looks) else 1
            progress.update(task, completed=done)
            if not console.is_terminal and time.monotonic() > said + _SILENCE:
                said = time.monotonic()
                console.print(f"{doing}: {done:,} of {total:,}", highlight=False, soft_wrap=True)
            yield part


def print_inspection(inspection: Inspection, findings: Sequence[Finding], console: Console | None = None) -> None:
    """Show what a data set holds, what to train it at, and last what is wrong with it."""
    console = console or Console()
    images = sum(split.images for split in inspection.splits)
    console.print(Text.assemble((inspection.name, "bold"), "  ", printable(inspection.root)), soft_wrap=True)
    console.print(f"{images:,} images · {len(inspection.classes):,} classes", highlight=False)
    console.print(_class_table(inspection, console.width))
    console.print(_split_table(inspection))
    _print_suggestion(inspection, console)
    _print_findings(findings, inspection.root, console)
    _print_sum(findings, console)


def _class_table(inspection: Inspection, width: int) -> Table:
    """Images of each class in each split, with a bar for the first where there is room."""
    training = inspection.splits[0].per_class
    most = max(training.values(), default=0) or 1
    names = _shown(training)
    taken = sum(max(len(split.name), 6) + 3 for split in inspection.splits)
    bar = min(_BAR, width - taken - max(cell_len(name or "") for name in names) - 4)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", overflow="fold")
    for split in inspection.splits:
        table.add_column(split.name, justify="right", no_wrap=True, min_width=len(split.name))
    for name in names:
        if name is None:
            table.add_row(f"... {len(training) - _ROWS:,} more ...")
            continue
        counts = [_figure(split.per_class[name]) for split in inspection.splits]
        bars = [Text("█" * round(bar * training[name] / most), "blue")] if bar >= _BAR // 3 else []
        table.add_row(Text(printable(name)), *counts, *bars)
    return table


def _shown(counts: dict[str, int]) -> list[str | None]:
    """All classes, or the largest, a gap, and the smallest."""
    if len(counts) <= _ROWS:
        return list(counts)
    ranked = sorted(counts, key=lambda name: -counts[name])
    return [*ranked[: _ROWS // 2], None, *ranked[-_ROWS // 2 :]]


def _figure(count: int) -> Text:
    return Text(f"{count:,}", "" if count else "yellow")


def _split_table(inspection: Inspection) -> Table:
    """What the files of each split are: a column for each."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for split in inspection.splits:
        table.add_column(split.name, justify="right")
    columns = [_facts(split) for split in inspection.splits]
    for name in columns[0]:
        cells = [column[name] for column in columns]
        if any(cell not in ("", "0") for cell in cells) or name == "unreadable":
            red = name == "unreadable"
            table.add_row(name, *(Text(cell, "red" if red and cell != "0" else "") for cell in cells))
    return table


def _facts(split: SplitFacts) -> dict[str, str]:
    return {
        "images": f"{split.images:,}",
        "unreadable": f"{len(split.corrupt):,}",
        "width": _spread(split.width),
        "height": _spread(split.height),
        "aspect": _spread(split.aspect),
        "format": _tally(split.formats),
        "mode": _tally(split.modes),
        "grey": f"{split.grey:,}",
        "turned by EXIF": f"{split.rotated:,}",
    }


def _spread(spread: Spread | None) -> str:
    """`400 (224 to 640)`: the median, and the least and the most where they differ."""
    if spread is None:
        return ""
    least, median, most = (
        f"{value:.2f}".rstrip("0").rstrip(".") for value in (spread.least, spread.median, spread.most)
    )
    return median if least == most else f"{median} ({least} to {most})"


def _tally(counts: dict[str, int]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _print_suggestion(inspection: Inspection, console: Console) -> None:
    """What to give `archspec train`."""
    flags = suggested_flags(inspection)
    if flags:
        size = inspection.input_size
        why = f"The training images' own colours, and {size} pixels, which three of four reach with their shorter side:"
        console.print(textwrap.fill(why, console.width), highlight=False, soft_wrap=True)
        for flag in flags:
            console.print(f"  --set {flag}", highlight=False, markup=False, soft_wrap=True, style="bold")
        console.print()


def suggested_flags(inspection: Inspection) -> list[str]:
    """What `archspec train --set` takes to train at the data's own size and colours."""
    if inspection.mean is None or inspection.std is None:
        return []
    channels = [] if inspection.channels == 3 else [f"input.channels={inspection.channels}"]
    colours = [
        f"recipe.{name}={_list(values)}" for name, values in (("mean", inspection.mean), ("std", inspection.std))
    ]
    return [f"input.size={inspection.input_size}", *channels, *(colour.replace(" ", "") for colour in colours)]


def _list(values: Sequence[float]) -> str:
    return f"[{', '.join(f'{value:.4g}' for value in values)}]"


def _print_findings(findings: Sequence[Finding], root: str, console: Console) -> None:
    """What is wrong, some of the images, and what to do; a help that several share is said after the last."""
    helps = [finding.help for finding in findings[1:]] + [""]
    for finding, next_help in zip(findings, helps, strict=False):
        head = (f"{finding.severity}:", f"bold {COLOURS[finding.severity]}")
        console.print(Text.assemble(head, " ", printable(finding.message)))
        for pair in finding.pairs[:_EXAMPLES]:
            first, second = (_below(root, copy.path) for copy in (pair.first, pair.second))
            kind = "mirrored" if pair.mirrored else pair.kind
            gap = " " if len(first) + len(second) + len(kind) + 10 <= console.width else "\n    "
            console.print(Text(f"    {first}{gap}= {second} ({kind})", "dim"), soft_wrap=True)
        for path in finding.examples[:_EXAMPLES]:
            console.print(Text(f"    {_below(root, path)}", "dim"), soft_wrap=True)
        if finding.help and finding.help != next_help:
            help = textwrap.fill(f"help: {finding.help}", max(40, console.width) - 2, subsequent_indent=" " * 6)
            console.print(Text(textwrap.indent(help, "  ")), soft_wrap=True)


def _below(root: str, path: str) -> str:
    """A name without the folder that all share."""
    return printable(path.removeprefix(f"{root}/"))


def _print_sum(findings: Sequence[Finding], console: Console) -> None:
    counts = {severity: sum(finding.severity == severity for finding in findings) for severity in COLOURS}
    said = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count)
    word, colour = ("wrong", "red") if counts["error"] else ("sound", "green")
    console.print(Text.assemble((word, f"bold {colour}"), f": {said or 'nothing found'}"))
