"""Predictions as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from archspec.errors import printable

if TYPE_CHECKING:
    from archspec.training.inference import Prediction


def print_predictions(predictions: Sequence[Prediction], runners_up: int = 2) -> None:
    """Show the likeliest class of each image, and the next ones; without a terminal, a line with tabs for each."""
    console = Console()
    if not console.is_terminal:
        for prediction in predictions:
            best = [f"{name}\t{share:.4f}" for name, share in prediction.classes[:1]]
            print("\t".join([printable(prediction.image), *best, *filter(None, [prediction.error])]))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("image", overflow="fold")
    table.add_column("class")
    table.add_column("probability", justify="right")
    table.add_column("then")
    for prediction in predictions:
        if prediction.error is None:
            (name, share), *rest = prediction.classes
            others = ", ".join(f"{other} {probability:.1%}" for other, probability in rest[:runners_up])
            table.add_row(Text(printable(prediction.image)), Text(name), f"{share:.1%}", Text(others))
    if table.row_count:
        console.print(table)
    for prediction in predictions:
        if prediction.error is not None:
            console.print(f"[red]unreadable[/red]: {escape(prediction.error)}", highlight=False, soft_wrap=True)
