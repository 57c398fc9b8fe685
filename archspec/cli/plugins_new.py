"""`archspec plugins new`: the package of a new plugin."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from archspec.cli.output import json_option, print_json
from archspec.scaffold import KINDS_BY_OPTION, option_of, read_kinds, write_package


@click.command("new")
@click.argument("name")
@click.option(
    "--with",
    "offers",
    default="block",
    show_default=True,
    metavar="KINDS",
    help=f"What it offers, with commas between: {', '.join(KINDS_BY_OPTION)}.",
)
@json_option
def new(name: str, offers: str, as_json: bool) -> None:
    """Write the package of a plugin, with examples and tests, into ./archspec-NAME."""
    kinds = read_kinds(offers)
    folder = write_package(name, kinds, Path())
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    if as_json:
        print_json({"name": name, "folder": str(folder), "offers": [option_of(kind) for kind in kinds], "files": files})
        return
    click.echo(f"wrote {folder}: {len(files)} files")
    click.echo(f"next: cd {folder} && pip install -e '.[test]' && pytest")
