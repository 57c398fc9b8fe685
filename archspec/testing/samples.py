"""The check of sample data: written twice, counted, and opened as the folder of images that it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archspec.data.splits import SPLITS
from archspec.errors import ArchspecError
from archspec.offers import Options
from archspec.plugins import Plugins, default_plugins
from archspec.testing.cases import Fault
from archspec.testing.datasets import check_dataset
from archspec.testing.holding import hold
from archspec.testing.randomness import randomness_left_alone

__tracebackhide__ = True  # of pytest: a test that fails shows its own line, and what the check says
_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")


def check_sample(name: str, *, plugins: Plugins | None = None, options: Mapping[str, Any] | None = None) -> None:
    """Sample data is a folder of images, SPLIT/CLASS/IMAGE, the same each time, that a run can train on.

    `options` are written as in a recipe. Without `plugins`, the offer is one of an installed package.

    Raises:
        AssertionError: the offer broke a promise.
        PluginError: there is no such offer.
        DocumentError: an option is wrong.
        ArchspecError: the offer refuses to write it, as one whose library is missing.

    """
    hold("samples", name, plugins or default_plugins(), options, _prove)


def _prove(options: Options, folder: Path) -> None:
    said = _write(options, folder / "first")  # what it imports may draw: not counted
    with randomness_left_alone("writing it", "draw from a generator of your own"):
        again = _write(options, folder / "second")
    _prove_counts(said, folder / "first")
    if again != said or _contents(folder / "second") != _contents(folder / "first"):
        raise Fault("written twice, its files differ: seed a generator of your own, so that all have the same images")
    if beside := sorted({path.name for path in folder.iterdir()} - {"first", "second"}):
        raise Fault(f"it writes '{beside[0]}' beside the folder that it is given")
    try:
        check_dataset("imagefolder", plugins=Plugins(installed=False), options={"root": str(folder / "first")})
    except (AssertionError, ArchspecError) as error:
        message = error.message if isinstance(error, ArchspecError) else str(error).partition("\nwith")[0]
        raise Fault(f"what it writes is no data set to train on: {message}") from error


def _write(options: Options, folder: Path) -> dict[str, int]:
    folder.mkdir()
    try:
        said: dict[str, int] = options.offer.make(options, folder)
    except ArchspecError:
        raise
    except Exception as error:
        raise Fault(f"writing it fails: {type(error).__name__}: {error}") from error
    if not isinstance(said, dict) or not all(isinstance(count, int) for count in said.values()):
        raise Fault(f"`make` must return how many images each split has, such as {{'train': 80}}, not {said!r}")
    return said


def _prove_counts(said: dict[str, int], folder: Path) -> None:
    for split in sorted({path.name for path in folder.iterdir()} | set(said)):
        if split not in SPLITS:
            raise Fault(f"it has '{split}', and its folders are splits, which are called {', '.join(SPLITS)}")
        files = [path for path in (folder / split).glob("*/*") if path.suffix.lower() in _IMAGES]
        if len(files) != said.get(split):
            raise Fault(f"it says that {split} has {said.get(split)} images, and {split}/CLASS/ hold {len(files)}")


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
