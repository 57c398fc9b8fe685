"""`archspec recipes`: the recipes that come with archspec."""

from __future__ import annotations

import rich_click as click

from archspec.cli.output import json_option, print_json
from archspec.plugins import Plugins


@click.command()
@json_option
@click.pass_obj
def recipes(plugins: Plugins, as_json: bool) -> None:
    """List the recipes that come with archspec, for `archspec train --recipe NAME`."""
    from archspec.training.documents import load_recipe, recipe_files, recipe_summary

    rows = {name: recipe_summary(path) for name, path in recipe_files().items()}
    if as_json:
        from archspec.spec.dump import to_data

        settings = {name: to_data(load_recipe(name, (), plugins)) for name in rows}
        print_json([{"name": name, "summary": rows[name], "recipe": settings[name]} for name in rows])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for name, summary in rows.items():
        table.add_row(name, summary)
    Console().print(table, highlight=False)
