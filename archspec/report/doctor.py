"""What was found of the installed plugins, on the screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.markup import escape

from archspec.errors import printable
from archspec.offers import singular
from archspec.plugins.examined import Examined


def print_examined(examined: list[Examined], blocked: list[str], clashes: Iterable[Mapping[str, str]]) -> None:
    """A part for each plugin, then what is wrong between them."""
    console = Console(highlight=False, soft_wrap=True)
    for one in examined:
        _print(console, one)
    for name in blocked:
        console.print(f"{_safe(name)}: blocked, and not looked at")
    for number, clash in enumerate(clashes):
        if number == 0:
            console.print("[bold]between them[/bold]")
        _problem(console, clash)
    if not examined:
        console.print("no plugins are installed beside the built-in ones")


def _print(console: Console, one: Examined) -> None:
    plugin = one.plugin
    took = "" if one.seconds is None else f", imported in {1_000 * one.seconds:,.0f} ms"
    console.print(f"[bold]{_safe(plugin.name)}[/bold] of {_safe(plugin.origin)} ({_safe(plugin.module)}){took}")
    if one.torch:
        console.print("  its import brings torch: import that inside `make`, and commands that need no torch stay fast")
    for kind, names in one.offers.items():
        console.print(f"  {kind.replace('_', ' ')}: {_safe(', '.join(names))}")
    for check in one.checks:
        verdict = {True: "[green]passes[/green]", False: "[red]fails[/red]", None: "not checked"}[check.passed]
        reason = f": {_safe(check.reason)}" if check.reason else ""
        console.print(f"  {singular(check.kind)} '{_safe(check.name)}' {verdict}{reason}")
    for problem in one.problems:
        _problem(console, problem)
    if not one.problems:
        console.print("  nothing is wrong" if all(c.passed is not False for c in one.checks) else "  see above")


def _problem(console: Console, problem: Mapping[str, str]) -> None:
    console.print(f"  [red]problem[/red]: {_safe(problem['message'])}\n     help: {_safe(problem['help'])}")


def _safe(text: str) -> str:
    return escape("\n".join(printable(line) for line in text.splitlines()))
