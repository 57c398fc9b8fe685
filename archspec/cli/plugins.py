"""`archspec plugins`: what is installed, what it offers, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import rich_click as click

from archspec.cli.output import json_option, print_json
from archspec.cli.plugins_doctor import doctor
from archspec.cli.plugins_new import new
from archspec.errors import PluginError
from archspec.hookspecs import KINDS
from archspec.offers import Offer
from archspec.plugins import Plugin, Plugins, closest


@click.group()
@click.pass_obj
def plugins(loaded: Plugins) -> None:
    """What is installed, what it offers, and what is wrong with it."""
    loaded.warn = None  # these commands tell of problems themselves


plugins.add_command(doctor)
plugins.add_command(new)


@plugins.command("list")
@json_option
@click.pass_obj
def list_(loaded: Plugins, as_json: bool) -> None:
    """List the plugins and their offers. This imports every plugin."""
    offers = {kind: list(loaded.offers(kind).values()) for kind in KINDS}
    clashes = [error for kind in KINDS for error in loaded.clashes(kind)]
    if not as_json:
        from archspec.report.plugins import print_plugins

        print_plugins(loaded, offers, clashes)
        return
    print_json(
        {
            "plugins": [_plugin_record(plugin) for plugin in loaded.plugins],
            "offers": {
                kind: [{"name": offer.name, "summary": offer.summary, "origin": offer.origin} for offer in found]
                for kind, found in offers.items()
            },
            "problems": [problem.record() for problem in loaded.problems],
            "clashes": [{"message": error.message, "help": error.help} for error in clashes],
        }
    )


def _plugin_record(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module,
        "problem": plugin.problem,
    }


@plugins.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(loaded: Plugins, name: str, as_json: bool) -> None:
    """Show what NAME is: a plugin, a distribution, or an offer of any kind, with its options and what it cannot do."""
    found = [offer for kind in KINDS for offer in loaded.offers(kind).values()]
    named = [plugin for plugin in loaded.plugins if plugin.is_named(frozenset([name])) and plugin.source != "built-in"]
    origins = {plugin.origin for plugin in named}
    offers = [offer for offer in found if offer.name == name or offer.origin in origins]
    problems = [problem for problem in loaded.problems if problem.plugin.origin in origins]
    if not offers and not named:
        _refuse_unknown(loaded, name, found)
    if as_json:
        plugins, records = [_plugin_record(plugin) for plugin in named], [_record(offer) for offer in offers]
        print_json({"plugins": plugins, "offers": records, "problems": [problem.record() for problem in problems]})
        return
    from rich.console import Console

    from archspec.report.plugins import print_offer, print_problems, print_state

    for plugin in named:
        print_state(Console(), plugin)
    for offer in offers:
        print_offer(offer)
    print_problems(Console(), problems, ())


def _refuse_unknown(loaded: Plugins, name: str, found: list[Offer[Any]]) -> None:
    """Raise what is to be said of a name that nobody has; of one that several plugins offer, what its clash says."""
    for error in (error for kind in KINDS for error in loaded.clashes(kind)):
        if f"'{name}'" in error.message:
            raise error
    outside = [plugin for plugin in loaded.plugins if plugin.source != "built-in"]
    names = [*(plugin.name for plugin in outside), *(plugin.distribution for plugin in outside)]
    match = closest(name, [*names, *(offer.name for offer in found)])
    help = f"did you mean '{match}'?" if match else "`archspec plugins list` names them all"
    raise PluginError(f"no plugin and no offer is named '{name}'", help=help)


def _record(offer: Offer[Any]) -> dict[str, Any]:
    from archspec.spec.options import describe_options

    options = [option.record() for option in describe_options(offer.options)]
    own = {key: getattr(offer, key) for key in ("kind", "name", "origin", "summary", "docs", "cannot")}
    return {**own, "options": options}
