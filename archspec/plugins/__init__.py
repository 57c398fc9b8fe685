"""Finds, loads and blocks plugins, and knows who offers what.

Of what is installed, nothing is read before something asks for what no built-in offers, and nothing is imported before
that. A plugin that fails is a `Problem`, with its distribution, version, hook and the way out, and the rest go on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache

from archspec.plugins.manager import Plugins
from archspec.plugins.names import closest
from archspec.plugins.plugin import Plugin, Problem

__all__ = ["Plugin", "Plugins", "Problem", "closest", "default_plugins", "plugins_for"]


def plugins_for(
    arguments: Iterable[str] = (),
    *,
    reserved: Mapping[str, Iterable[str]] | None = None,
    warn: Callable[[Problem], None] | None = None,
) -> Plugins:
    """The built-ins and every installed plugin, changed as the arguments of `-p` say: `MODULE`, or `no:NAME`.

    `ARCHSPEC_LOAD_PLUGINS` names modules, as `-p` does, and `ARCHSPEC_DISABLE_PLUGINS` plugins that are not loaded,
    separated by commas; `all` leaves the built-ins alone. `reserved` and `warn` are those of `Plugins`.
    """
    disabled = _names_in("ARCHSPEC_DISABLE_PLUGINS")
    arguments = list(arguments)
    modules = [argument for argument in arguments if not argument.startswith("no:")]
    blocked = [argument.removeprefix("no:") for argument in arguments if argument.startswith("no:")]
    return Plugins(
        [*_names_in("ARCHSPEC_LOAD_PLUGINS"), *modules],
        blocked,
        disabled=disabled,
        installed="all" not in disabled,
        reserved=reserved,
        warn=warn,
    )


def _names_in(variable: str) -> list[str]:
    return os.environ.get(variable, "").replace(",", " ").split()


@cache
def default_plugins() -> Plugins:
    """What `plugins_for()` finds, found once."""
    return plugins_for()
