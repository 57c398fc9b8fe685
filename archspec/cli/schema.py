"""`archspec schema`: the language as a JSON Schema, for editors."""

from __future__ import annotations

import rich_click as click

from archspec.cli.output import print_json
from archspec.plugins import Plugins
from archspec.spec.schema import document_schema, spec_schema


@click.command()
@click.option("--recipe", is_flag=True, help="Of recipes instead of specs.")
@click.pass_obj
def schema(plugins: Plugins, recipe: bool) -> None:
    """Print the JSON Schema of specs, with the options of all installed plugins.

    Write it to spec.schema.json, and begin a spec with the line `# yaml-language-server: $schema=spec.schema.json`: an
    editor that knows YAML then completes and checks the spec.
    """
    if not recipe:
        print_json(spec_schema(plugins))
        return
    from archspec.training.recipe import Recipe

    print_json(document_schema(Recipe, plugins))
