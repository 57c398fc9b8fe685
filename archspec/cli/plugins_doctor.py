"""`archspec plugins doctor`: every installed plugin, looked at in a process of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import rich_click as click
from click.exceptions import Exit

from archspec.cli.output import json_option, print_json
from archspec.cli.plugins_examine import examine
from archspec.hookspecs import KINDS
from archspec.offers import singular
from archspec.plugins import Plugin, Plugins
from archspec.plugins.collect import blockable
from archspec.plugins.examined import Examined
from archspec.plugins.installed import Installed

_SECONDS, _CHECK_SECONDS = 30.0, 600.0
"""What a plugin may take for its import; and with its checks."""


@click.command()
@click.option("--check", is_flag=True, help="Hold each offer to its promises, by archspec.testing.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="A plugin may take so long.  [default: 30, or 600]")
@json_option
@click.pass_obj
def doctor(plugins: Plugins, check: bool, seconds: float | None, as_json: bool) -> None:
    """Import each plugin in a process of its own, and tell what is wrong with it: exit code 1 where anything is."""
    seconds = seconds or (_CHECK_SECONDS if check else _SECONDS)
    named = [Installed(replace(plugin, source="installed")) for plugin in plugins.plugins if plugin.source == "module"]
    entries = [entry for entry in (*plugins.installed, *named) if not plugins.is_blocked(entry.plugin)]
    examined = [examine(entry, check=check, seconds=seconds) for entry in entries]
    blocked = [entry.plugin.name for entry in plugins.installed if plugins.is_blocked(entry.plugin)]
    clashes = _clashes(examined) + _twins(examined, entries)
    failed = [one for one in examined if one.problems or any(found.passed is False for found in one.checks)]
    if as_json:
        records = [_record(one) for one in examined]
        print_json({"ok": not failed and not clashes, "plugins": records, "blocked": blocked, "clashes": clashes})
    else:
        from archspec.report.doctor import print_examined

        print_examined(examined, blocked, clashes)
    if failed or clashes:
        raise Exit(1)


def _clashes(examined: Iterable[Examined]) -> list[dict[str, str]]:
    """The names that several plugins offer, with those plugins and the way out."""
    found = []
    for kind in KINDS:
        holders: dict[str, dict[str, Plugin]] = {}
        for one in examined:
            for name in one.offers.get(kind, ()):  # a module that two entry points name is loaded once
                holders.setdefault(name, {}).setdefault(one.plugin.module, one.plugin)
        for name, modules in holders.items():
            if len(modules) > 1:
                plugins = list(modules.values())
                origins = " and ".join(plugin.origin for plugin in plugins)
                outs = " or ".join(f"`-p no:{blockable(plugin, plugins)}`" for plugin in plugins)
                message = f"the {singular(kind)} '{name}' is offered by {origins}"
                found.append({"message": message, "help": f"block one of them: {outs}"})
    return found


def _twins(examined: Iterable[Examined], entries: Iterable[Installed]) -> list[dict[str, str]]:
    """The names that several plugins have."""
    named: dict[str, list[str]] = {}
    for entry in entries:
        named.setdefault(entry.plugin.name, []).append(entry.plugin.origin)
    help = "block one by its distribution: `-p no:DISTRIBUTION`"
    return [
        {"message": f"{' and '.join(origins)} each have a plugin '{name}'", "help": help}
        for name, origins in named.items()
        if len(origins) > 1
    ]


def _record(one: Examined) -> dict[str, Any]:
    plugin = one.plugin
    about = {key: getattr(plugin, key) for key in ("name", "distribution", "version", "module", "problem")}
    rest = asdict(one)
    return {**about, **{key: rest[key] for key in ("seconds", "torch", "offers", "problems", "checks")}}
