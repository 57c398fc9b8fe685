"""Whether a plugin's hooks are those of the contract: misspelt ones would never be called."""

from __future__ import annotations

import inspect
from typing import Any

import pluggy

from archspec import hookspecs
from archspec.hookspecs import KINDS
from archspec.plugins.names import closest

_HOOKS = [f"archspec_{kind}" for kind in KINDS]


def misfit(manager: pluggy.PluginManager, plugin: Any) -> str | None:
    """What is wrong with the hooks that a module or class implements; None where nothing is."""
    for name in dir(plugin):
        marked = manager.parse_hookimpl_opts(plugin, name)
        if marked is None or marked["optionalhook"]:
            continue
        hook = marked["specname"] or name
        if hook not in _HOOKS:
            match = closest(hook, _HOOKS)
            return f"it implements '{hook}', which is no hook" + (f"; did you mean '{match}'?" if match else "")
        known = inspect.signature(getattr(hookspecs, hook)).parameters
        unknown = [
            argument for argument in inspect.signature(getattr(plugin, name)).parameters if argument not in known
        ]
        if unknown:
            arguments = f"the arguments {', '.join(known)}" if known else "no arguments"
            return f"its {hook} takes '{unknown[0]}', and that hook has {arguments}"
    return None
