"""Opens the documents of a run: a recipe, and the data set that it or `--data` names. No torch here."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from archspec.errors import ArchspecError, Place
from archspec.paths import is_file, is_folder
from archspec.plugins import Plugins, closest
from archspec.spec.extend import open_document
from archspec.spec.override import apply_override
from archspec.spec.reader import Entry, Mapping, Scalar, read_document
from archspec.spec.settings import read_settings
from archspec.training.recipe import DataChoice, Recipe


def recipe_files() -> dict[str, Path]:
    """The files of the recipes that come with archspec, by name."""
    return {path.stem: path for path in sorted(Path(str(files("archspec.recipes"))).glob("*.yaml"))}


def recipe_names() -> list[str]:
    """The recipes that come with archspec."""
    return list(recipe_files())


def recipe_summary(path: Path) -> str:
    """What a recipe's file says of itself: the comment that it begins with."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    return " ".join(line.lstrip("# ") for line in lines)


def load_recipe(recipe: str, overrides: Iterable[str], plugins: Plugins) -> Recipe:
    """The recipe of a name or in a YAML file, with `recipe.path=value` overrides.

    Raises:
        ArchspecError: there is no such recipe; a DocumentError, if it is wrong.

    """
    return read_settings(Recipe, _open_recipe(recipe, overrides), plugins)


def _open_recipe(recipe: str, overrides: Iterable[str]) -> Mapping:
    path = Path(recipe)
    if not is_file(path):
        path = recipe_files().get(recipe, path)
    if not is_file(path):
        match = closest(recipe, recipe_names())
        help = f"did you mean '{match}'?" if match else f"known recipes: {', '.join(recipe_names())}"
        raise ArchspecError(f"there is no recipe '{recipe}'", help=help)
    return open_document(path, overrides, recipe_files, "recipe.")


def load_training(
    recipe: str, data: str | None, overrides: Iterable[str], plugins: Plugins
) -> tuple[Recipe, DataChoice | None]:
    """A recipe, and apart from it the data set: that of `--data`, else the recipe's; None where neither names one.

    `overrides` are `recipe.path=value` and `data.path=value` texts.

    Raises:
        ArchspecError: as `load_recipe` and `choose_data`.

    """
    _, of_recipe, of_data = split_overrides(overrides)
    document = _open_recipe(recipe, of_recipe)
    if data is None and "data" in document.entries:
        for number, override in enumerate(of_data, start=1):
            apply_override(document, override, number)
    settings = read_settings(Recipe, document, plugins)
    choice = choose_data(data, of_data, plugins) if data is not None else _own_data(settings)
    if settings.weights is not None:  # so that a run finds them from any other folder
        file = str(Path(settings.weights.file).expanduser().resolve())
        settings = settings.model_copy(update={"weights": settings.weights.model_copy(update={"file": file})})
    return settings.model_copy(update={"data": None}), choice


def _own_data(recipe: Recipe) -> DataChoice | None:
    return _absolute(DataChoice(data=recipe.data)) if recipe.data is not None else None


def choose_data(choice: str, overrides: Iterable[str], plugins: Plugins) -> DataChoice:
    """The data set that `NAME[:ROOT]` means, with `data.path=value` overrides.

    Raises:
        ArchspecError: nobody offers such a data set, or an option is wrong.

    """
    name, colon, root = choice.partition(":")
    if plugins.get("datasets", name) is None:
        help = _guess_data(choice, closest(name, plugins.offers("datasets"))) or plugins.known("datasets")
        raise ArchspecError(f"unknown data set '{choice}'", help=help)
    place = Place("--data", 1, 1, len(choice), choice)
    options = Mapping(place, {"type": Entry(place, Scalar(name, place))})
    if colon:
        options.entries["root"] = Entry(place, Scalar(root, place))
    return _read_data(Mapping(place, {"data": Entry(place, options)}), overrides, plugins)


def _guess_data(choice: str, match: str | None) -> str | None:
    if is_file(choice) and choice.lower().endswith((".csv", ".tsv", ".jsonl", ".parquet")):
        return f"write `--data table:{choice}`"
    if is_folder(choice) or any(mark in choice for mark in "/\\."):
        return f"write `--data imagefolder:{choice}`"
    return f"did you mean '{match}'?" if match else None


def load_data(path: Path, overrides: Iterable[str], plugins: Plugins) -> DataChoice:
    """The data set that a run directory's `data.yaml` names, with `data.path=value` overrides.

    Raises:
        ArchspecError: an option is wrong.

    """
    return _read_data(read_document(path), overrides, plugins)


def _read_data(document: Mapping, overrides: Iterable[str], plugins: Plugins) -> DataChoice:
    for number, override in enumerate(overrides, start=1):
        apply_override(document, override, number)
    return _absolute(read_settings(DataChoice, document, plugins))


def _absolute(choice: DataChoice) -> DataChoice:
    """The data set with its folder spelled out, so that a run finds it from any other folder."""
    root = getattr(choice.data, "root", None)
    if root is None:
        return choice
    data = choice.data.model_copy(update={"root": str(Path(root).expanduser().resolve())})
    return choice.model_copy(update={"data": data})


def split_overrides(overrides: Iterable[str]) -> tuple[list[str], list[str], list[str]]:
    """`--set` texts for the spec, the recipe (`recipe.…`) and the data set (`data.…`)."""
    overrides = list(overrides)
    recipe = [override for override in overrides if override.startswith("recipe.")]
    data = [override for override in overrides if override.startswith("data.")]
    return [override for override in overrides if override not in (*recipe, *data)], recipe, data
