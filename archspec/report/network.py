"""A plan as a table."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from archspec.plan.operations import Shape
from archspec.plan.plan import Block, Plan


def print_plan(plan: Plan, console: Console | None = None) -> None:
    """Show a plan: a row for the stem, each stage and the head, and the figures of the whole."""
    console = console or Console()
    console.print(f"[bold]{plan.name}[/bold]  {_shape(plan.input)} -> {_shape(plan.output)}", highlight=False)
    console.print(_table(plan))
    console.print(
        f"{plan.parameters:,} parameters · {plan.macs:,} MACs · depth {plan.depth} · "
        f"receptive field {plan.receptive_field} px",
        highlight=False,
    )
    console.print("[green]checked[/green]: the compiled module has these parameters, MACs and shapes", highlight=False)


def _table(plan: Plan) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("part", no_wrap=True)
    table.add_column("block")
    table.add_column("output", no_wrap=True)
    for figure in ("parameters", "MACs", "field"):
        table.add_column(figure, justify="right", no_wrap=True)
    stages = iter(plan.stages)
    seen = set()
    for block in plan.blocks:
        if not block.name.startswith("stages."):
            table.add_row(block.name, block.kind, *_figures(plan, block))
        elif (name := block.name.rpartition(".")[0]) not in seen:
            seen.add(name)
            stage = next(stages)
            kind = f"{stage.block} x{stage.repeats}"
            figures = f"{stage.parameters:,}", f"{stage.macs:,}", f"{stage.receptive_field:,}"
            table.add_row(stage.name, kind, _shape(stage.output), *figures)
    return table


def _figures(plan: Plan, block: Block) -> tuple[str, str, str, str]:
    steps = plan.steps[block.start : block.stop]
    parameters, macs = sum(step.parameters for step in steps), sum(step.macs for step in steps)
    field = plan.receptive_fields[block.output]
    return _shape(plan.shape(block.output)), f"{parameters:,}", f"{macs:,}", f"{field:,}"


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape))
