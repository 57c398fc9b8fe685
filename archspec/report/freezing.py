"""The phases of a freezing policy as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from archspec.finetuning.choice import FreezingChoice
from archspec.finetuning.names import EVERYTHING, part_of
from archspec.finetuning.phases import Phase, mean_compute
from archspec.finetuning.prefix import Prefix
from archspec.offers import Options
from archspec.plan.plan import Plan
from archspec.report.words import plural
from archspec.spec.dump import data_to_line, to_data

_NUMBERS = ("parameters", "compute", "kept")
_LEAST = 20
"""Columns that the names of what trains have at least, where they take several lines."""

Rows = Sequence[dict[str, str]]


def print_phases(
    plan: Plan, options: Options, epochs: int, phases: Sequence[Phase], console: Console | None = None
) -> None:
    """Show a row for each phase of a run, and what the whole run costs."""
    console = console or Console()
    freeze = to_data(FreezingChoice(freeze=options))["freeze"]
    console.print(f"[bold]{plan.name}[/bold]  {plan.parameters:,} parameters", highlight=False)
    console.print(f"{plural(epochs, 'epoch')}  {data_to_line('freeze', freeze)}", highlight=False, markup=False)
    console.print(_fitting_table([_row(plan, phase) for phase in phases], console))
    all_of_it, kept = mean_compute(phases), mean_compute(phases, kept=True)
    console.print(f"compute: {_percent(all_of_it)} of training everything, over all epochs", highlight=False)
    if kept < all_of_it:
        console.print(f"kept: {_percent(kept)}, where what leaves the frozen prefix is kept", highlight=False)


def _fitting_table(rows: Rows, console: Console) -> Table:
    """The table, less what a narrow terminal has no room for: a figure is shown whole or not at all."""
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    if all(row["rate"] in ("1", "") for row in rows):
        order = ["output", "BatchNorm", "rate", "parameters", "kept", "frozen to"]
    else:
        order = ["output", "BatchNorm", "parameters", "kept", "frozen to"]
    while True:
        table = _table(rows, columns)
        needed = Measurement.get(console, console.options.update(width=1_000), table)
        names = max(len(row["trains"]) for row in rows)
        if needed.maximum - max(0, names - _LEAST) <= console.width or not order:
            return table
        columns = [name for name in columns if name != order[0]]
        order = order[1:]


def _table(rows: Rows, columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, no_wrap=name != "trains", justify="right" if name in _NUMBERS else "left")
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    return table


def _row(plan: Plan, phase: Phase) -> dict[str, str]:
    first, last = phase.start + 1, phase.stop
    return {
        "epochs": f"{first}-{last}" if last > first else f"{first}",
        "trains": ", ".join(phase.trains) or "nothing",
        "parameters": f"{phase.trained:,}",
        "rate": " to ".join(dict.fromkeys(f"{scale:.3g}" for scale in phase.scales or ())),
        "BatchNorm": ", ".join(_norms(phase)),
        "frozen to": _end(plan, phase.prefix),
        "output": "x".join(map(str, phase.prefix.output)) if phase.prefix.steps else "",
        "compute": _percent(phase.compute),
        "kept": _percent(phase.compute_kept) if phase.prefix.steps else "",
    }


def _norms(phase: Phase) -> Iterator[str]:
    """`15 eval`, `5 train`; the mode alone, where all do the same."""
    for mode, count in phase.norms.items():
        yield f"{count} {mode}" if len(phase.norms) > 1 else mode


def _end(plan: Plan, prefix: Prefix) -> str:
    """What the frozen prefix ends with: a whole stage or block, or else a step."""
    if not prefix.steps:
        return ""
    if prefix.border is None:
        return EVERYTHING
    if not prefix.at_border:
        return prefix.last or ""
    position = plan.border(prefix.border)
    before, behind = plan.blocks[position - 1].name, prefix.border
    return before if part_of(before) == part_of(behind) else part_of(before)


def _percent(share: float) -> str:
    """`34.1 %`; two digits of what is small."""
    return f"{100 * share:.1f} %" if share >= 0.01 else f"{100 * share:.2g} %"
