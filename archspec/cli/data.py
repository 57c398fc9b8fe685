"""`archspec data`: looking at a data set, and sample data."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from shlex import quote

import rich_click as click

from archspec.cli.data_inspect import inspect_data
from archspec.cli.data_preview import preview
from archspec.cli.output import json_option, print_json
from archspec.errors import DataError
from archspec.plugins import Plugins
from archspec.spec.settings import default_options


@click.group()
def data() -> None:
    """Look at a data set, or write a small one."""


data.add_command(inspect_data)
data.add_command(preview)


@data.command()
@click.argument("name")
@click.argument("folder", default="data")
@json_option
@click.pass_obj
def sample(plugins: Plugins, name: str, folder: str, as_json: bool) -> None:
    """Write the small real data set NAME (digits) into FOLDER, as a folder of images. It must not exist yet."""
    offer = plugins.find("samples", name)
    target = Path(folder)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise DataError(f"'{folder}' exists already", file=target, help="name a folder that does not, or take it away")
    images = _write_whole(target, lambda beside: offer.make(default_options("samples", name, plugins), beside))
    if as_json:
        print_json({"name": name, "folder": folder, "splits": images})
        return
    sizes = ", ".join(f"{split} {count:,}" for split, count in images.items())
    click.echo(f"wrote {sum(images.values()):,} images to {folder}: {sizes}")
    click.echo(f"next: archspec train tiny --data {quote(f'imagefolder:{folder}')}")


def _write_whole(target: Path, write: Callable[[Path], dict[str, int]]) -> dict[str, int]:
    """Write into a folder beside `target`, which takes its place when it is complete."""
    target = target.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
            images = write(Path(beside))
            target.mkdir(exist_ok=True)
            for child in sorted(Path(beside).iterdir()):
                child.rename(target / child.name)
    except OSError as error:
        raise DataError(f"'{target}' cannot be written: {error.strerror or error}", file=target) from error
    return images
