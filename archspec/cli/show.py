"""`archspec show`: a spec as it stands after `extends`, `defaults` and `--set`, and where each value came from."""

from __future__ import annotations

import math
from typing import Any

import rich_click as click

from archspec.cli.output import json_option, print_json, set_option
from archspec.plugins import Plugins
from archspec.spec.annotate import annotate
from archspec.spec.dump import data_to_yaml, to_data
from archspec.spec.load import open_spec, read_spec
from archspec.spec.origin import find_origins
from archspec.spec.reader import plain


@click.command()
@click.argument("spec")
@click.option(
    "--resolved", is_flag=True, help="Every value, defaults too, with a comment that says where it came from."
)
@set_option
@json_option
@click.pass_obj
def show(plugins: Plugins, spec: str, resolved: bool, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show a spec: a file, or a name of the zoo, with what it extends and what --set changes. The output is a spec."""
    node = open_spec(spec, overrides)
    defaults = node.entries.get("defaults") if resolved else None
    data = to_data(read_spec(node, plugins)) if resolved else plain(node)
    if not as_json and not resolved:
        click.echo(data_to_yaml(data), nl=False)
        return
    origins = find_origins(data, node, defaults)
    if not as_json:
        click.echo(annotate(data, origins), nl=False)
        return
    records = {".".join(map(str, path)): origin.record() for path, origin in origins.items()}
    print_json({"spec": _without_infinities(data), "origins": records})


def _without_infinities(data: Any) -> Any:
    """The data as JSON can hold it: `.inf` and `.nan`, which an unchecked file may hold, as text."""
    if isinstance(data, dict):
        return {key: _without_infinities(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_without_infinities(value) for value in data]
    return str(data) if isinstance(data, float) and not math.isfinite(data) else data
