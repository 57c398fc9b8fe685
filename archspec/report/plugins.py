"""The installed plugins and their offers as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from archspec.offers import Offer
from archspec.plugins import Plugins


def print_plugins(plugins: Plugins, offers: Mapping[str, Sequence[Offer[Any]]]) -> None:
    """Show what is offered, kind by kind, and what could not be loaded."""
    console = Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("kind")
    table.add_column("name", no_wrap=True)
    table.add_column("what it is", overflow="fold")
    foreign = any(not offer.origin.startswith("archspec ") for found in offers.values() for offer in found)
    if foreign:
        table.add_column("from")
    for kind, found in offers.items():
        for position, offer in enumerate(found):
            cells = (offer.name, offer.summary, offer.origin)[: 3 if foreign else 2]
            table.add_row("" if position else kind, *map(escape, cells))
    console.print(table)
    outside = [plugin for plugin in plugins.plugins if not plugin.module.startswith("archspec.builtin.")]
    for plugin in outside:
        state = f"[red]not loaded[/red]: {escape(plugin.problem)}" if plugin.problem else "loaded"
        console.print(
            f"plugin [bold]{plugin.name}[/bold] of {plugin.origin} ({plugin.module}): {state}", highlight=False
        )
    if not outside:
        console.print("no plugins are installed beside the built-in ones")
