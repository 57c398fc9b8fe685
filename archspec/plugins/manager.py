"""The plugins of a process: the built-ins at once, modules that are named, and what is installed once it is needed."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pluggy

from archspec import __version__, hookspecs
from archspec.errors import PluginError
from archspec.offers import Offer, singular
from archspec.plugins.blame import describe_error, heard, place_in
from archspec.plugins.collect import Shelf, collect
from archspec.plugins.fitting import misfit
from archspec.plugins.names import closest
from archspec.plugins.plugin import Plugin, Problem

if TYPE_CHECKING:
    from archspec.plugins.installed import Installed

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
    "archspec.builtin.exporters",
)


class Plugins:
    """The plugins and everything they offer.

    `modules` are plugins named on the command line (`-p MODULE`); `blocked` are names of plugins that are not loaded
    (`-p no:NAME`), each of which must be there; `disabled` are names that may be absent, as an environment variable
    gives them. With `installed=False` only the built-ins and `modules` are loaded, and else what is installed as soon
    as something asks for what those do not offer. `reserved` are names of a kind that no plugin may offer; `warn` is
    told of each problem when it is found, beside `problems`.

    Raises:
        PluginError: one of `modules` cannot be loaded, or one of `blocked` is not there.

    """

    def __init__(
        self,
        modules: Iterable[str] = (),
        blocked: Iterable[str] = (),
        *,
        disabled: Iterable[str] = (),
        installed: bool = True,
        reserved: Mapping[str, Iterable[str]] | None = None,
        warn: Callable[[Problem], None] | None = None,
    ) -> None:
        self._manager = pluggy.PluginManager("archspec")
        self._manager.add_hookspecs(hookspecs)
        self._blocked = frozenset(blocked) | frozenset(disabled)
        self._reserved = dict(reserved or {})
        self._own: dict[str, Shelf] = {}
        self._all: dict[str, Shelf] = {}
        self._search, self._complete = installed, not installed
        self.warn = warn
        self.plugins: list[Plugin] = []
        """Those that were loaded so far, or could not be."""
        self.problems: list[Problem] = []
        """What was found to be wrong so far."""
        modules = list(modules)
        for module in BUILTIN_MODULES:
            plugin = Plugin(module.removeprefix("archspec.builtin."), module, "archspec", __version__, "built-in")
            if not self.is_blocked(plugin):
                self._manager.register(_import(module), name=plugin.key)
                self.plugins.append(plugin)
        self._refuse_unknown(frozenset(blocked), modules)
        for module in modules:
            self._load_named(module)

    def _load_named(self, module: str) -> None:
        """Load a module that was asked for by name: not to have it is an error."""
        if module.endswith(".py") or not module.replace(".", "").replace(":", "").isidentifier():
            help = "write the module's name, as an import would: -p lean, with its folder in PYTHONPATH"
            raise PluginError(f"'{module}' is no name of a module", help=help)
        loaded = self.load(Plugin(module, module, module, "", "module"))
        if loaded is not None and loaded.problem is not None:
            help = "it was asked for by `-p`, or by ARCHSPEC_LOAD_PLUGINS"
            raise PluginError(f"plugin '{module}' cannot be loaded: {loaded.problem}", help=help)

    @cached_property
    def installed(self) -> list[Installed]:
        """The plugins that are installed, blocked ones too. Nothing of them is imported."""
        from archspec.plugins.installed import installed_plugins  # most commands never look

        return installed_plugins() if self._search else []

    def is_blocked(self, plugin: Plugin) -> bool:
        return plugin.is_named(self._blocked)

    def load_installed(self) -> None:
        """Import every installed plugin that is not blocked, if that was not done before."""
        if self._complete:
            return
        self._complete = True
        for entry in self.installed:
            if not self.is_blocked(entry.plugin):
                self.load_entry(entry)

    def load_entry(self, entry: Installed) -> None:
        """Load an installed plugin, and report what its metadata say against it."""
        from archspec.plugins.versions import DISTRIBUTION, unmet

        plugin, help = entry.plugin, f"block it with `-p no:{entry.plugin.name}`"
        if entry.others:
            versions = " and ".join(entry.others)
            what = f"is also installed in version {versions}, and either may be the one that is imported"
            cure = f"`pip uninstall {plugin.distribution}` until none is left, and install the one that you want"
            self.report(Problem(plugin, what, cure))
        others = (other.plugin for other in self.installed if not self.is_blocked(other.plugin))
        twins = [other for other in others if other.name == plugin.name]
        if len(twins) > 1:
            origins = " and ".join(sorted({twin.origin for twin in twins if twin.key != plugin.key}))
            what = f"has the name of another plugin, of {origins}; both are loaded"
            self.report(Problem(plugin, what, f"block one by its distribution: `-p no:{plugin.distribution}`"))
        if (wanted := unmet(entry.requires, __version__)) is not None:
            what = f"is for {DISTRIBUTION} {wanted}, and this is {__version__}: it may fail"
            self.report(Problem(plugin, what, f"install a version of it for {__version__}, or {help}"))
        loaded = self.load(plugin)
        if loaded is not None and loaded.problem is not None:
            self.report(Problem(loaded, f"was not loaded: {loaded.problem}", help))

    def load(self, plugin: Plugin) -> Plugin | None:
        """Import and register a plugin; returns it, with what went wrong. None if it is blocked, or there already."""
        if self.is_blocked(plugin):
            return None
        with heard() as printed, warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("ignore")
            try:
                module = _import(plugin.module)
                if self._manager.is_registered(module):
                    return None
                if (problem := misfit(self._manager, module)) is not None:
                    plugin = replace(plugin, problem=problem)
                else:
                    warnings.simplefilter("always", DeprecationWarning)
                    self._manager.register(module, name=plugin.key)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a stranger's code: whatever it raises is its own report
                place = place_in(error, plugin.package)
                plugin = replace(plugin, problem=describe_error(error) + (f" ({place})" if place else ""))
                if self._manager.has_plugin(plugin.key):
                    self._manager.unregister(name=plugin.key)
        self.plugins.append(plugin)
        if plugin.problem is None and not self._manager.get_hookcallers(module):
            cure = "mark its functions with @archspec.hookimpl, and name the module or class that has them"
            self.report(Problem(plugin, "has no hook, and so it offers nothing", cure))
        if said := printed().strip():
            what = f"prints on standard output when it is imported: {said.splitlines()[0]!r}"
            self.report(Problem(plugin, what, "nothing was lost; its author should print nothing there"))
        for told in warned:
            what = f"uses what later versions will not have: {told.message}"
            self.report(Problem(plugin, what, "it works until then; look for a newer version of it"))
        return plugin

    def report(self, problem: Problem) -> None:
        """Take down a problem, and tell of it."""
        self.problems.append(problem)
        if self.warn is not None:
            self.warn(problem)

    def _refuse_unknown(self, blocked: frozenset[str], modules: list[str]) -> None:
        if not blocked:
            return
        there = [*self.plugins, *(entry.plugin for entry in self.installed)]
        known = {name for plugin in there for name in (plugin.name, plugin.distribution)} | set(modules)
        known |= {module.removeprefix("archspec.builtin.") for module in BUILTIN_MODULES}
        for name in sorted(blocked - known):
            match = closest(name, known)
            help = f"did you mean 'no:{match}'?" if match else "`archspec plugins list --json` names the plugins"
            raise PluginError(f"there is no plugin '{name}' to block", help=help)

    def _hooks(self, kind: str, *, installed: bool) -> list[tuple[Plugin, Callable[[], Any]]]:
        """The implementations of a kind's hook, in the order in which their plugins were loaded."""
        there = getattr(self._manager.hook, f"archspec_{kind}").get_hookimpls()
        functions = {implementation.plugin_name: implementation.function for implementation in there}
        return [
            (plugin, functions[plugin.key])
            for plugin in self.plugins
            if plugin.key in functions and (plugin.source == "installed") == installed
        ]

    def _own_shelf(self, kind: str) -> Shelf:
        """What the built-ins and the modules that are named offer."""
        if kind not in self._own:
            shelf = collect(kind, self._hooks(kind, installed=False), reserved=self._reserved.get(kind, ()))
            for problem in shelf.problems:  # of a module that was asked for by name
                raise PluginError(problem.message, help=problem.help)
            self._own[kind] = shelf
        return self._own[kind]

    def _shelf(self, kind: str) -> Shelf:
        """What everybody offers."""
        own = self._own_shelf(kind)
        self.load_installed()
        if kind not in self._all:
            hooks = self._hooks(kind, installed=True)
            shelf = self._all[kind] = collect(kind, hooks, own, self._reserved.get(kind, ()))
            for problem in shelf.problems:
                self.report(problem)
        return self._all[kind]

    def offers(self, kind: str) -> Mapping[str, Offer[Any]]:
        """Every offer of one kind ("blocks"), by name: this imports every plugin. See `clashes` for what is left out.

        Raises:
            PluginError: a hook of a module that was named fails, or it offers what is built in.

        """
        return self._shelf(kind).offers

    def clashes(self, kind: str) -> list[PluginError]:
        """For each name that several plugins offer, what is said to who asks for it."""
        shelf = self._shelf(kind)
        return [shelf.clash(name) for name in sorted(shelf.clashes)]

    def get(self, kind: str, name: str) -> Offer[Any] | None:
        """The offer of this kind and name; None where nobody offers it. A built-in one is found without an import.

        Raises:
            PluginError: several plugins offer it; or as `offers`.

        """
        shelf = self._own_shelf(kind)
        if name not in shelf.offers and name not in shelf.clashes:
            shelf = self._shelf(kind)
        if name in shelf.clashes:
            raise shelf.clash(name)
        return shelf.offers.get(name)

    def find(self, kind: str, name: str) -> Offer[Any]:
        """The offer of this kind and name.

        Raises:
            PluginError: nobody offers it; or as `get`.

        """
        offer = self.get(kind, name)
        if offer is None:
            match = closest(name, self.offers(kind))
            meant = f"; did you mean '{match}'?" if match else ""
            broken = "".join(f"; {problem.message}" for problem in self.problems if problem.hook is None)
            raise PluginError(f"unknown {singular(kind)} '{name}'{meant}", help=self.known(kind) + broken)
        return offer

    def known(self, kind: str) -> str:
        """`known blocks: basic, bottleneck (2 built in, 1 from archspec-ghost 0.1)`."""
        offers = self.offers(kind).values()
        origins: dict[str, int] = {}
        for offer in offers:
            origin = "built in" if offer.built_in else f"from {offer.origin}"
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
