"""The installed plugins, their offers, and what is wrong with them, as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from archspec.errors import PluginError, printable
from archspec.offers import Offer
from archspec.plugins import Plugin, Plugins, Problem
from archspec.spec.options import describe_options


def print_plugins(plugins: Plugins, offers: Mapping[str, Sequence[Offer[Any]]], clashes: Sequence[PluginError]) -> None:
    """Show what is offered, kind by kind, the plugins, and what is wrong with them."""
    console = Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("kind")
    table.add_column("name", no_wrap=True)
    table.add_column("what it is", overflow="fold")
    for kind, found in offers.items():
        for position, offer in enumerate(found):
            whose = "" if offer.built_in else f"[bold]{_safe(offer.origin)}[/bold]"
            about = ": ".join(filter(None, (whose, _safe(offer.summary))))
            table.add_row("" if position else kind, _safe(offer.name), about)
    console.print(table)
    outside = [plugin for plugin in plugins.plugins if plugin.source != "built-in"]
    for plugin in outside:
        print_state(console, plugin)
    if not outside:
        console.print("no plugins are installed beside the built-in ones")
    print_problems(console, plugins.problems, clashes)


def print_state(console: Console, plugin: Plugin) -> None:
    """A line for a plugin: whose it is, and whether it was loaded."""
    state = f"[red]not loaded[/red]: {_safe(plugin.problem)}" if plugin.problem else "loaded"
    name, origin, module = map(_safe, (plugin.name, plugin.origin, plugin.module))
    console.print(f"plugin [bold]{name}[/bold] of {origin} ({module}): {state}", highlight=False)


def print_problems(console: Console, problems: Sequence[Problem], clashes: Sequence[PluginError]) -> None:
    """What is wrong, and the way out, each told once."""
    found: list[Problem | PluginError] = [*problems, *clashes]
    for told in found:
        console.print(f"[yellow]problem[/yellow]: {_safe(told.message)}", highlight=False, soft_wrap=True)
        if told.help:
            console.print(f"   help: {_safe(told.help)}", highlight=False, soft_wrap=True)


def print_offer(offer: Offer[Any]) -> None:
    """Show an offer: what it is, where more is to be read, what it cannot do, and its options."""
    console = Console()
    name, origin = _safe(offer.name), _safe(offer.origin)
    console.print(f"[bold]{name}[/bold], among {offer.kind.replace('_', ' ')} of {origin}", highlight=False)
    for label, text in (("", offer.summary), ("docs: ", offer.docs), ("cannot: ", offer.cannot)):
        if text:
            console.print(f"  {label}{_safe(text)}", highlight=False, soft_wrap=True)
    rows = list(describe_options(offer.options))
    if not rows:
        console.print("  it has no options" if offer.kind != "commands" else "  `--help` has its options")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("option", "value", "default", "meaning"):
        table.add_column(heading, no_wrap=heading == "option", overflow="fold")
    for row in rows:
        default = "required" if row.required else "" if row.default is None else _written(row.default)
        table.add_row(*map(_safe, (row.name, row.value, default, row.meaning)))
    console.print(table)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _safe(text: str | None) -> str:
    """Text of a plugin: no markup of ours, and nothing that moves the cursor."""
    return escape(printable(text or ""))
