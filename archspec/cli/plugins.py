"""`archspec plugins`: what is installed, and what it offers."""

from __future__ import annotations

from typing import Any

import rich_click as click

from archspec.cli.output import json_option, print_json
from archspec.cli.plugins_new import new
from archspec.hookspecs import KINDS
from archspec.plugins import Plugins


@click.group()
def plugins() -> None:
    """What is installed, and what it offers."""


plugins.add_command(new)


@plugins.command("list")
@json_option
@click.pass_obj
def list_(loaded: Plugins, as_json: bool) -> None:
    """List the plugins and their offers."""
    offers = {kind: list(loaded.offers(kind).values()) for kind in KINDS}
    if not as_json:
        from archspec.report.plugins import print_plugins

        print_plugins(loaded, offers)
        return
    rows: list[dict[str, Any]] = [
        {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "module": plugin.module,
            "problem": plugin.problem,
        }
        for plugin in loaded.plugins
    ]
    print_json(
        {
            "plugins": rows,
            "offers": {
                kind: [{"name": offer.name, "summary": offer.summary, "origin": offer.origin} for offer in found]
                for kind, found in offers.items()
            },
        }
    )
