"""What a user may say of a table. No numpy here: the options are checked before any data is read."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from archspec.offers import Options

Name = Annotated[str, Field(min_length=1)]


class TableOptions(Options):
    """Options of `table`."""

    root: Name
    """The table, as `--data table:ROOT` gives it: `.csv`, `.tsv`, `.jsonl` or `.parquet`. Or a folder that holds one,
    or one for each split: `train.csv`, `val.csv`, `test.csv`."""
    path: Name | None = None
    """The column of the images' paths. Where nothing is said, one of a usual name, such as `path`, `filename` or
    `image`."""
    label: Name | None = None
    """The column of the labels: names, or numbers. Or one of a usual name, such as `label`, `class` or `target`."""
    split: Name | None = None
    """The column of the splits. Or one of a usual name, such as `split`, `set` or `fold`. `none` leaves
    such a column aside."""
    images: Name | None = None
    """The folder that paths are relative to, itself relative to the table's folder, which it is where nothing is
    said."""
    train_file: Name | None = None
    """The training split's table in the folder ROOT, where its name does not say so."""
    validation_file: Name | None = None
    """The validation split's."""
    test_file: Name | None = None
    """The test split's."""
    thresholds: Annotated[tuple[float, ...], Field(min_length=1, max_length=999)] | None = None
    """Rising numbers that make classes of a numeric label: `[1.5, 3]` makes `<1.5`, `1.5 to 3` and `>=3`."""
    class_names: Annotated[tuple[Name, ...], Field(min_length=2, max_length=1000)] | None = None
    """Names for the classes that thresholds make, one more than there are thresholds."""
    unknown: Literal["error", "skip"] = "error"
    """What becomes of an image in another split whose class the training split lacks."""
    validation: Annotated[float, Field(gt=0, lt=0.5)] = 0.15
    """The share of each class kept for validation, where the table has no validation split."""
    test: Annotated[float, Field(ge=0, lt=0.5)] = 0.15
    """The share kept for the test split, where the table is not split at all."""

    @model_validator(mode="after")
    def _agree(self) -> TableOptions:
        if self.thresholds is None:
            if self.class_names is not None:
                raise ValueError("has `class_names`, which name the classes of `thresholds`, and no thresholds")
            return self
        if any(one >= next for one, next in pairwise(self.thresholds)):
            raise ValueError("has `thresholds` that do not rise")
        if self.class_names is not None and len(self.class_names) != len(self.thresholds) + 1:
            names, bounds = len(self.class_names), len(self.thresholds)
            raise ValueError(f"has {names} `class_names` for {bounds} `thresholds`, which make {bounds + 1} classes")
        if self.class_names is not None and len(set(self.class_names)) != len(self.class_names):
            raise ValueError("has two `class_names` that are the same")
        return self
