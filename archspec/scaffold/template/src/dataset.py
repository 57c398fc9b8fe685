"""A data set: one folder of images whose names begin with their class, such as `beagle_12.jpg`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from archspec import Offer, Offers, Options, hookimpl
from archspec.errors import DataError
from pydantic import Field

if TYPE_CHECKING:
    from archspec.data import ImageData

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


class NamedFilesOptions(Options):
    """Options of the data set."""

    root: Annotated[str, Field(min_length=1)] = "images"
    """The folder, as `--data $name:FOLDER` gives it."""
    validation: Annotated[float, Field(gt=0, lt=0.5)] = 0.15
    """The share of each class that is kept out of training, to choose the best epoch by."""
    test: Annotated[float, Field(ge=0, lt=0.5)] = 0.15
    """The share of each class that is kept for `archspec eval --split test`."""


def named_files(options: NamedFilesOptions, seed: int) -> ImageData:
    """Every image below the folder, split by the seed. The class is what stands before the last `_` of a name.

    Oxford's pets (Parkhi et al. 2012) come like this.

    Raises:
        DataError: there is no such folder, or there are fewer than two classes in it.

    """
    # here, and not at the top: a spec is checked without NumPy and Pillow
    from archspec.data import ImageData, ImageFiles, ImageIndex, draw_splits

    root = Path(options.root)
    if not root.is_dir():
        help = "--data $name:FOLDER names the folder"
        raise DataError(f"'{root}' is no folder", file=root, help=help)
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*_*") if path.suffix.lower() in _ENDINGS)
    labels = [Path(name).name.rpartition("_")[0] for name in names]
    classes = tuple(sorted(set(labels)))
    if len(classes) < 2:
        raise DataError(f"'{root}' has {len(classes)} classes", file=root, help="name files like beagle_12.jpg")
    places = {name: place for place, name in enumerate(classes)}
    index = ImageIndex(ImageFiles(root, names), [places[label] for label in labels])
    notes: list[str] = []
    splits = draw_splits(index, options.validation, options.test, seed, notes)
    return ImageData("$name", root, classes, splits, drawn=True, notes=tuple(notes))


@hookimpl
def archspec_datasets() -> Offers:
    return {"$name": Offer(NamedFilesOptions, named_files, "images named CLASS_NUMBER")}
