"""One plugin, and what is wrong with one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Plugin:
    """One plugin: who ships it, and why it was not loaded, if it was not."""

    name: str
    module: str
    """`package.module`, or `package.module:attribute`."""
    distribution: str
    version: str
    source: Literal["built-in", "module", "installed"] = "installed"
    """`module` is one that `-p` or ARCHSPEC_LOAD_PLUGINS names."""
    problem: str | None = None

    @property
    def key(self) -> str:
        """What pluggy knows it by: one distribution may have two entry points of one name."""
        return f"{self.distribution}:{self.name}:{self.module}"

    @property
    def origin(self) -> str:
        """`archspec-ghost 0.1`; a module's name alone, where nothing says its version."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def package(self) -> str:
        """The outermost package that its code lies in."""
        return self.module.partition(":")[0].partition(".")[0]

    def is_named(self, names: frozenset[str]) -> bool:
        """Whether one of these is its name, or its distribution's."""
        return self.name in names or self.distribution in names


@dataclass(frozen=True)
class Problem:
    """What is wrong with a plugin, and the way out."""

    plugin: Plugin
    what: str
    """A predicate: "was not loaded: ImportError: ..."."""
    help: str
    hook: str | None = None
    """The hook that is at fault, such as `archspec_blocks`; None for the plugin as a whole."""

    @property
    def message(self) -> str:
        """One sentence, with the plugin, its distribution and version."""
        return f"plugin '{self.plugin.name}' of {self.plugin.origin} {self.what}"

    def record(self) -> dict[str, Any]:
        """As `--json` gives it."""
        plugin = self.plugin
        return {
            "plugin": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "hook": self.hook,
            "message": self.message,
            "help": self.help,
        }
