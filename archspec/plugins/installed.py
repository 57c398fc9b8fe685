"""Which plugins are installed: the entry points of group `archspec`, by name. Nothing is imported here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from archspec.plugins.plugin import Plugin

GROUP = "archspec"


@dataclass(frozen=True)
class Installed:
    """A plugin that is installed, and what its distribution's metadata say."""

    plugin: Plugin
    requires: tuple[str, ...] = ()
    """The distributions that it needs: `archspec-nn>=0.1`."""
    others: tuple[str, ...] = ()
    """Other versions of its distribution that are installed beside it."""


def installed_plugins() -> list[Installed]:
    """Every entry point of the group, by name. Of two versions of a distribution, the one that an import would take."""
    versions: dict[str, list[metadata.Distribution]] = {}
    for number, distribution in enumerate(metadata.distributions()):
        if GROUP in (distribution.read_text("entry_points.txt") or ""):
            name = re.sub(r"[-_.]+", "-", _said(distribution, "Name")).lower()
            versions.setdefault(name if name != "?" else f"? {number}", []).append(distribution)
    found = [entry for distributions in versions.values() for entry in _entries(distributions)]
    return sorted(found, key=lambda entry: (entry.plugin.name, entry.plugin.key))


def origin_of(package: str) -> str:
    """`archspec-ghost 0.1`: the distribution of the plugin whose code lies in a package; else the package itself."""
    found = (entry.plugin.origin for entry in installed_plugins() if entry.plugin.package == package)
    return next(found, package)


def _entries(distributions: list[metadata.Distribution]) -> Iterator[Installed]:
    first = distributions[0]
    name, version = _said(first, "Name"), _said(first, "Version")
    others = sorted({_said(other, "Version") for other in distributions[1:]} - {version})
    for entry in first.entry_points:
        if entry.group == GROUP:
            yield Installed(Plugin(entry.name, entry.value, name, version), _requires(first), tuple(others))


def _requires(distribution: metadata.Distribution) -> tuple[str, ...]:
    try:
        return tuple(distribution.requires or ())
    except Exception:  # as `_said`
        return ()


def _said(distribution: metadata.Distribution, key: str) -> str:
    """What the metadata say; `?` where an installation was cut short and they are gone."""
    try:
        return distribution.metadata[key] or "?"
    except Exception:  # a missing file is told in another way by each version of Python
        return "?"
