"""The code that a run is made with: archspec, the packages that decide what a step computes, and plugins."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from archspec.errors import RunError
from archspec.offers import Settings, offers_in
from archspec.plugins import Plugins

_PACKAGES = ("torch", "torchvision", "numpy", "pillow", "pydantic", "safetensors")
_ORIGIN = re.compile(r"[\w.-]+( [\w.+!-]+)?")
"""A distribution and its version, or a module, as `Plugin.origin` has them."""


def installed_versions() -> dict[str, str]:
    """Of archspec, Python, and the packages that decide what a run computes."""
    packages = {package: _version(package) for package in _PACKAGES}
    return {"archspec": _version("archspec-nn"), "python": platform.python_version(), **packages}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def used_plugins(*settings: Settings) -> tuple[str, ...]:
    """The plugins whose offers these settings name, with their versions; those that come with archspec are left out."""
    return tuple(sorted({offer.origin for offer in offers_in(*settings) if not offer.built_in}))


def lacking_plugins(path: Path, used: Iterable[str], plugins: Plugins) -> RunError | None:
    """The error of a run that was made with plugins which are not here as they were; None where all are.

    `used` are those that the run recorded: `archspec-ghost 0.1`, or a module's name.
    """
    there = {plugin.origin for plugin in plugins.plugins if plugin.problem is None}
    lacking = [origin for origin in used if origin not in there]
    if not lacking:
        return None
    said = ", and ".join(f"{origin}, which {_state(origin, plugins)}" for origin in lacking)
    cures = [_cure(origin, plugins) for origin in lacking]
    return RunError(f"the run '{path}' was made with {said}", help=" and ".join(cures))


def _state(origin: str, plugins: Plugins) -> str:
    """Why a plugin of this origin is not here: a predicate."""
    distribution = origin.partition(" ")[0]
    for plugin in plugins.plugins:
        if plugin.distribution == distribution:
            return "cannot be loaded" if plugin.problem is not None else f"is here in version {plugin.version}"
    return "is blocked" if _blocked(distribution, plugins) else "is not installed" if " " in origin else "is not named"


def _blocked(distribution: str, plugins: Plugins) -> bool:
    """Whether a distribution is installed, and was left out: by its name, or as `all` is."""
    from archspec.plugins.installed import installed_plugins

    left_out = all(plugin.distribution != distribution for plugin in plugins.plugins)
    return left_out and any(entry.plugin.distribution == distribution for entry in installed_plugins())


def _cure(origin: str, plugins: Plugins) -> str:
    """What to do, as a command to copy only where a plugin can have that name: a run may come from a stranger."""
    if not _ORIGIN.fullmatch(origin):
        return f"no plugin can be installed as {origin!r}: look at `plugins` in run.json"
    distribution, _, its_version = origin.partition(" ")
    if _blocked(distribution, plugins):
        return f"leave out what blocks {distribution}: `-p no:...`, or ARCHSPEC_DISABLE_PLUGINS"
    return f"`pip install {distribution}=={its_version}`" if its_version else f"`archspec -p {distribution} ...`"
