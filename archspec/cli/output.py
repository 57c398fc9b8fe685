"""What commands print: one JSON document, or text; errors; and the options that several commands share."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from archspec.errors import ArchspecError, DataError
from archspec.paths import is_file, is_folder

F = TypeVar("F", bound=Callable[..., Any])

_NUMBERS = re.compile(r'\[\n\s+([^"\[\]{}]+?)\n\s+\]')
"""A list of numbers in indented JSON: no text holds a bare newline."""

_STANDARD_OUTPUT = "archspec.standard_output"
"""Where a context's `meta` keeps standard output, when all but the document goes to standard error."""


def _keep_output(ctx: click.Context, parameter: click.Parameter, value: bool) -> bool:
    """With `--json`, whatever prints while the command works, as a plugin's step or data set, prints beside it."""
    if value:
        ctx.meta[_STANDARD_OUTPUT] = sys.stdout
        ctx.with_resource(contextlib.redirect_stdout(sys.stderr))
    return value


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_keep_output, help="Print one JSON document on standard output."
)
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a value: --set head.classes=10. Repeatable."
)

device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps, ...")
workers_option = click.option(
    "--workers", type=click.IntRange(min=0, max=256), help="Loader processes.  [default: one a core, up to 8]"
)
data_set_option = click.option(
    "--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change an option of the data: --set data.test=0.2."
)
checkpoint_option = click.option(
    "--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Which weights."
)


def not_empty(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty text, which a script's unset variable gives."""
    if value == "":
        raise click.BadParameter("it is empty")
    return value


def check_target(path: Path, example: str) -> None:
    """Before any work: can a file be written there?

    Raises:
        DataError: its folder does not exist, or it is a folder, a device or a pipe, which no file may replace.

    """
    if not is_folder(path.parent):
        raise DataError(f"the folder '{path.parent}' does not exist", file=path, help="make it, or name another file")
    if is_folder(path):
        raise DataError(f"'{path}' is a folder", file=path, help=f"name a file, such as {example}")
    if os.path.exists(path) and not is_file(path):  # noqa: PTH110  # Path.exists raises for a name that is too long
        raise DataError(f"'{path}' is no ordinary file", file=path, help=f"name a file, such as {example}")


def print_json(document: Any, *, rows: bool = False) -> None:
    """Write a document to standard output; with `rows`, a list of numbers takes one line."""
    text = json.dumps(document, indent=2, allow_nan=False)
    context = click.get_current_context(silent=True)
    output = context.meta.get(_STANDARD_OUTPUT) if context is not None else None
    click.echo(_NUMBERS.sub(_on_one_line, text) if rows else text, file=output)


def _on_one_line(numbers: re.Match[str]) -> str:
    return f"[{' '.join(numbers[1].split())}]"


def say(label: str, text: str) -> None:
    """Write a line of what is going on to standard error, its label in a column of its own."""
    click.echo(f"{label:9} {text}".rstrip(), err=True)


def show_error(error: ArchspecError) -> None:
    """Write an error to standard error, its first word in colour where there is a terminal."""
    text = error.render()
    if sys.stderr.isatty():
        text = text.replace("error:", click.style("error:", fg="red", bold=True))
    click.echo(text, err=True)


def fail(error: ArchspecError, arguments: list[str] | None = None) -> None:
    """Report an error that ended a command: on standard error, and as JSON where the command was asked for JSON."""
    show_error(error)
    if "--json" in (sys.argv[1:] if arguments is None else arguments):
        print_json({"ok": False, "errors": error.records()})
