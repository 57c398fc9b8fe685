"""Data sets on your own disk: folders and tables of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from archspec import Offer, Offers, Options, hookimpl
from archspec.data.tables.options import TableOptions

if TYPE_CHECKING:
    from archspec.data import ImageData

Part = Annotated[float, Field(ge=0, lt=0.5)]


class ImageFolderOptions(Options):
    """Options of `imagefolder`."""

    root: Annotated[str, Field(min_length=1)] = "data"
    """The folder, as `--data imagefolder:ROOT` gives it."""
    unknown: Literal["error", "skip"] = "error"
    """What becomes of an image in another split whose class the training split lacks."""
    validation: Annotated[float, Field(gt=0, lt=0.5)] = 0.15
    """The share of each class kept for validation, where the folder has no validation split of its own."""
    test: Part = 0.15
    """The share kept for the test split, where the folder is not split at all."""


def image_folder(options: ImageFolderOptions, seed: int) -> ImageData:
    """ROOT/train/CLASS/*.jpg with `val` and `test` beside it, or ROOT/CLASS/*.jpg, split with the seed."""
    from archspec.data.folder import open_folder

    return open_folder(Path(options.root), options.validation, options.test, seed, options.unknown)


def table(options: TableOptions, seed: int) -> ImageData:
    """Images by a column of paths and one of labels; splits by a column, a file each, or drawn with the seed."""
    from archspec.data.tables.table import open_table

    return open_table(options, seed)


@hookimpl
def archspec_datasets() -> Offers:
    return {
        "imagefolder": Offer(ImageFolderOptions, image_folder, "a folder of images, one folder a class"),
        "table": Offer(TableOptions, table, "a CSV, TSV, JSON Lines or Parquet file of paths and labels"),
    }
