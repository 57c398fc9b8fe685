"""A resumed run is the same run: its settings, and the code that it runs on."""

from __future__ import annotations

from typing import Any

from archspec.errors import RunError
from archspec.offers import Settings
from archspec.spec.dump import to_data
from archspec.training.code import installed_versions, used_plugins
from archspec.training.recipe import Recipe
from archspec.training.run import Run

Difference = tuple[str, Any, Any]
"""A path, and two values."""


def refuse_changes(run: Run, *given: Settings) -> None:
    """Compare a spec, recipe or data choice given again with the run's own.

    Raises:
        RunError: one differs; it names the first difference.

    """
    for path, before, now in differences(run, *given):
        raise RunError(
            f"the run '{run.path}' has another setting: {path} is {before} there, and {now} here",
            help="leave it out to go on with the run, let it change by `--other-settings`, "
            "or start a new run with another `--out`",
        )


def differences(run: Run, *given: Settings) -> list[Difference]:
    """Where a spec, recipe or data choice differs from the run's own: a path, the run's value, and the other."""
    own = {type(settings): settings for settings in (run.spec, run.recipe, run.data)}
    return [
        (f"recipe.{path}" if isinstance(settings, Recipe) else path, before, now)
        for settings in given
        for path, before, now in _differences(to_data(own[type(settings)]), to_data(settings))  # type: ignore[index]
    ]


_DECIDING = ("archspec", "torch", "torchvision", "pillow")
"""The packages whose versions can change what a step computes."""


def refuse_other_code(run: Run) -> None:
    """Compare the versions that a run was begun with, of packages and its plugins, with those that are here.

    Raises:
        RunError: they differ; it names all differences.

    """
    now, before = installed_versions(), run.info.versions
    pairs = [(f"{name} {before[name]}", f"{name} {now[name]}") for name in _DECIDING if before.get(name) != now[name]]
    there, here = set(run.info.plugins), set(used_plugins(run.spec, run.recipe, run.data))
    gone, new = sorted(there - here), sorted(here - there)
    if not (pairs or gone or new):
        return
    had = ", ".join([old for old, _ in pairs] + gone) or "no such plugin"
    has = ", ".join([now for _, now in pairs] + new) or "none of them"
    raise RunError(
        f"the run '{run.path}' was begun with {had}; here is {has}",
        help="install what it was begun with, or go on with `--other-versions`: its last bits may then be others",
    )


def _differences(ours: Any, theirs: Any, path: str = "") -> list[Difference]:
    """Where two documents differ: a path, and both values."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        pairs = [(f"{path}.{key}" if path else key, ours.get(key), theirs.get(key)) for key in {**ours, **theirs}]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = [(f"{path}[{index}]", *pair) for index, pair in enumerate(zip(ours, theirs, strict=True))]
    else:
        return [] if ours == theirs else [(path, ours, theirs)]
    return [row for place, one, other in pairs for row in _differences(one, other, place)]
