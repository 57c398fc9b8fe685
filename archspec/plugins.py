"""Finds, loads and blocks plugins, and knows who offers what.

Plugins load one by one: one that fails is kept as a report, with its distribution, version and the way to block it,
and the rest go on.
"""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from typing import Any

import pluggy

from archspec import __version__, hookspecs
from archspec.errors import PluginError
from archspec.offers import Offer, singular

BUILTIN_MODULES = (
    "archspec.builtin.stems",
    "archspec.builtin.blocks",
    "archspec.builtin.res2net",
    "archspec.builtin.mobile",
    "archspec.builtin.repvgg",
    "archspec.builtin.attentions",
    "archspec.builtin.heads",
    "archspec.builtin.shortcuts",
    "archspec.builtin.norms",
    "archspec.builtin.activations",
    "archspec.builtin.datasets",
    "archspec.builtin.named",
    "archspec.builtin.samples",
    "archspec.builtin.transforms",
    "archspec.builtin.optimizers",
    "archspec.builtin.schedules",
    "archspec.builtin.freezing",
    "archspec.builtin.losses",
    "archspec.builtin.trackers",
)


@dataclass(frozen=True)
class Plugin:
    """One plugin: who ships it, and what went wrong with it, if anything did."""

    name: str
    module: str
    distribution: str
    version: str
    problem: str | None = None

    @property
    def key(self) -> str:
        """What pluggy knows it by: one distribution may have two entry points of one name."""
        return f"{self.distribution}:{self.name}:{self.module}"

    @property
    def origin(self) -> str:
        return f"{self.distribution} {self.version}".strip()


class Plugins:
    """The loaded plugins and everything they offer.

    `modules` are plugins named on the command line (`-p MODULE`); `blocked` are names of plugins that are not loaded
    (`-p no:NAME`), each of which must be there; `disabled` are names that may be absent, as an environment variable
    gives them. With `installed=False` only the built-ins and `modules` are loaded.
    """

    def __init__(
        self,
        modules: Iterable[str] = (),
        blocked: Iterable[str] = (),
        *,
        disabled: Iterable[str] = (),
        installed: bool = True,
    ) -> None:
        self._manager = pluggy.PluginManager("archspec")
        self._manager.add_hookspecs(hookspecs)
        self._blocked = frozenset(blocked) | frozenset(disabled)
        self._seen: set[str] = set()
        self._offers: dict[str, dict[str, Offer[Any]]] = {}
        self.plugins: list[Plugin] = []
        for module in BUILTIN_MODULES:
            self._load(Plugin(module.removeprefix("archspec.builtin."), module, "archspec", __version__))
        if installed:
            for found in sorted(metadata.entry_points(group="archspec"), key=lambda entry: entry.name):
                dist = found.dist
                self._load(Plugin(found.name, found.value, dist.name if dist else "?", dist.version if dist else ""))
        for module in modules:
            if module.endswith(".py") or not module.replace(".", "").replace(":", "").isidentifier():
                help = "write the module's name, as an import would: -p lean, with its folder in PYTHONPATH"
                raise PluginError(f"'{module}' is no name of a module", help=help)
            problem = self._load(Plugin(module, module, module, ""))
            if problem is not None:  # asked for by name: not to have it is an error
                raise PluginError(f"plugin '{module}' cannot be loaded: {problem}")
        self._refuse_unknown(frozenset(blocked))

    def _load(self, plugin: Plugin) -> str | None:
        """Import and register a plugin, unless it is blocked or there already; returns what went wrong."""
        self._seen |= {plugin.name, plugin.distribution}
        if plugin.name in self._blocked or plugin.distribution in self._blocked:
            return None
        problem = None
        try:
            module = _import(plugin.module)
            if self._manager.is_registered(module):
                return None
            self._manager.register(module, name=plugin.key)
            self._manager.check_pending()  # a misspelt hook
        except (Exception, SystemExit) as error:  # a stranger's code: whatever it raises is its own report
            problem = f"{type(error).__name__}: {error}"
            if self._manager.has_plugin(plugin.key):
                self._manager.unregister(name=plugin.key)
        self.plugins.append(replace(plugin, problem=problem))
        return problem

    def _refuse_unknown(self, blocked: frozenset[str]) -> None:
        for name in sorted(blocked - self._seen):
            match = closest(name, self._seen)
            help = f"did you mean 'no:{match}'?" if match else "`archspec plugins list --json` names the plugins"
            raise PluginError(f"there is no plugin '{name}' to block", help=help)

    @property
    def problems(self) -> list[Plugin]:
        """The plugins that could not be loaded."""
        return [plugin for plugin in self.plugins if plugin.problem is not None]

    def offers(self, kind: str) -> Mapping[str, Offer[Any]]:
        """Every offer of one kind ("blocks"), by name.

        Raises:
            PluginError: two plugins offer one name, or a hook fails.

        """
        if kind not in self._offers:
            self._offers[kind] = self._collect(kind)
        return self._offers[kind]

    def _collect(self, kind: str) -> dict[str, Offer[Any]]:
        collected: dict[str, Offer[Any]] = {}
        plugins = {plugin.key: plugin for plugin in self.plugins}
        for implementation in getattr(self._manager.hook, f"archspec_{kind}").get_hookimpls():
            plugin = plugins[implementation.plugin_name]
            try:
                offers = implementation.function()
                if not isinstance(offers, dict) or not all(map(_is_offer, offers.items())):
                    raise TypeError(f"it returned {offers!r}, not a dict of name to archspec.Offer")
            except (Exception, SystemExit) as error:
                raise PluginError(
                    f"plugin '{plugin.name}' of {plugin.origin} fails in archspec_{kind}: {error}",
                    help=f"block it with `-p no:{plugin.name}`",
                ) from error
            for name, offer in offers.items():
                if name in collected:
                    raise PluginError(
                        f"two plugins offer '{name}' among {kind}: {collected[name].origin} and {plugin.origin}",
                        help=f"block one of them, such as `-p no:{plugin.name}`",
                    )
                collected[name] = replace(offer, name=name, kind=kind, origin=plugin.origin)
        return dict(sorted(collected.items()))

    def find(self, kind: str, name: str) -> Offer[Any]:
        """The offer of this kind and name.

        Raises:
            PluginError: nobody offers it.

        """
        offers = self.offers(kind)
        if name not in offers:
            match = closest(name, offers)
            meant = f"; did you mean '{match}'?" if match else ""
            raise PluginError(f"unknown {singular(kind)} '{name}'{meant}", help=self.known(kind))
        return offers[name]

    def known(self, kind: str) -> str:
        """`known blocks: basic, bottleneck (2 built in, 1 from archspec-ghost 0.1)`."""
        offers = self.offers(kind).values()
        origins: dict[str, int] = {}
        for offer in offers:
            origin = "built in" if offer.origin.startswith("archspec ") else f"from {offer.origin}"
            origins[origin] = origins.get(origin, 0) + 1
        counts = ", ".join(f"{count} {origin}" for origin, count in origins.items())
        return (
            f"known {kind.replace('_', ' ')}: {', '.join(offer.name for offer in offers)} ({counts})"
            if offers
            else f"no {kind.replace('_', ' ')} are known"
        )


def _import(reference: str) -> Any:
    """`package.module` or `package.module:attribute`, as entry points write it."""
    module, _, attributes = reference.partition(":")
    found: Any = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        found = getattr(found, attribute)
    return found


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was most likely meant to be."""
    matches = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def _is_offer(entry: tuple[Any, Any]) -> bool:
    return isinstance(entry[0], str) and isinstance(entry[1], Offer)


def plugins_for(arguments: Iterable[str] = ()) -> Plugins:
    """The built-ins and every installed plugin, changed as the arguments of `-p` say: `MODULE`, or `no:NAME`.

    `ARCHSPEC_DISABLE_PLUGINS` names plugins that are not loaded, separated by commas; `all` leaves the built-ins alone.
    """
    disabled = [name for name in os.environ.get("ARCHSPEC_DISABLE_PLUGINS", "").replace(",", " ").split() if name]
    arguments = list(arguments)
    modules = [argument for argument in arguments if not argument.startswith("no:")]
    blocked = [argument.removeprefix("no:") for argument in arguments if argument.startswith("no:")]
    return Plugins(modules, blocked, disabled=disabled, installed="all" not in disabled)


@cache
def default_plugins() -> Plugins:
    """What `plugins_for()` finds, found once."""
    return plugins_for()
