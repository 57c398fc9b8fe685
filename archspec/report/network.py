"""A plan as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from archspec.plan.operations import Shape
from archspec.plan.plan import Plan

_COLUMNS = ("part", "block", "output", "parameters", "MACs", "field")
_NARROWER = ((), ("block",), ("block", "field"), ("block", "field", "output"))
"""Columns that a narrow terminal goes without, in turn: a figure is shown whole or not at all."""


def print_plan(plan: Plan, console: Console | None = None, *, checked: bool) -> None:
    """Show a plan: a row for the stem, each stage and the head, and the figures of the whole.

    `checked` says that the figures were compared with the compiled module.
    """
    console = console or Console()
    console.print(f"[bold]{plan.name}[/bold]  {_shape(plan.input)} -> {_shape(plan.output)}", highlight=False)
    tables = (_table(plan, dropped) for dropped in _NARROWER)
    fitting = (table for table in tables if _width(table, console) <= console.width)
    console.print(next(fitting, _table(plan, _NARROWER[-1])))
    console.print(
        f"{plan.parameters:,} parameters · {plan.macs:,} MACs · depth {plan.depth} · "
        f"receptive field {plan.receptive_field:,}",
        highlight=False,
    )
    console.print(f"{plan.activation_memory:,} bytes of activations an image in training, in float32", highlight=False)
    if checked:
        console.print(
            "[green]checked[/green]: the compiled module has these parameters, MACs and shapes", highlight=False
        )


def _width(table: Table, console: Console) -> int:
    return Measurement.get(console, console.options.update(width=1_000), table).maximum


def _table(plan: Plan, dropped: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in _COLUMNS:
        if name not in dropped:
            table.add_column(name, no_wrap=True, justify="right" if name in _COLUMNS[3:] else "left")
    for row in _rows(plan):
        table.add_row(*(cell for name, cell in zip(_COLUMNS, row, strict=True) if name not in dropped))
    return table


def _rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """A row for each part of the network, in its order."""
    for part in plan.parts:
        kind = f"{part.block} x{part.repeats}" if part.name.startswith("stages.") else part.block
        figures = f"{part.parameters:,}", f"{part.macs:,}", f"{part.receptive_field:,}"
        yield part.name, kind, _shape(part.output), *figures


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape))
