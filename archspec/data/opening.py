"""Opens a data set: what a plugin returns is held to what everything here relies on, before an image is read."""

from __future__ import annotations

from typing import Any

from archspec.data.index import TRAIN, VALIDATION, ImageData, ImageIndex
from archspec.data.splits import SPLITS
from archspec.errors import PluginError
from archspec.offers import Options


def open_data(options: Options, seed: int) -> ImageData:
    """The data set of these options, with the splits that `seed` draws.

    Raises:
        DataError: it cannot be opened.
        PluginError: a plugin's data set does not fit together: a label out of range, a split that is missing.

    """
    offer = options.offer
    data: ImageData = offer.make(options, seed)
    if not offer.built_in and (fault := data_fault(data)) is not None:
        what = f"'{offer.name}' among datasets of {offer.origin} cannot be used: {fault}"
        raise PluginError(what, help="tell the plugin's author: `archspec.testing.check_dataset` finds it")
    return data


def data_fault(data: Any) -> str | None:
    """Why classes, splits and labels do not fit together; None where they do."""
    if not isinstance(data, ImageData):
        return f"it opens as {type(data).__name__}, not as archspec.data.ImageData"
    if (fault := _fault_of_classes(data.classes)) is not None:
        return fault
    unknown = [split for split in data.splits if split not in SPLITS]
    if unknown:
        return f"it has a split '{unknown[0]}'; splits are called {', '.join(SPLITS)}"
    for split in (TRAIN, VALIDATION):
        if split not in data.splits:
            help = "archspec.data.draw_splits draws it where the data has none"
            return f"it has no {split} split: {help}"
    faults = (_fault_of_index(split, index, len(data.classes)) for split, index in data.splits.items())
    return next((fault for fault in faults if fault is not None), None)


def _fault_of_classes(classes: Any) -> str | None:
    if not isinstance(classes, tuple) or not all(isinstance(name, str) for name in classes):
        return "its `classes` must be a tuple of names"
    if len(classes) < 2:
        return f"it has {len(classes)} classes, and a classifier needs two: refuse such data by a DataError"
    if not all(name.strip() for name in classes):
        return "the name of a class is empty"
    twice = [name for name in classes if classes.count(name) > 1] if len(set(classes)) < len(classes) else []
    return f"two classes are called '{twice[0]}'" if twice else None


def _fault_of_index(split: str, index: Any, classes: int) -> str | None:
    if not isinstance(index, ImageIndex):
        return f"its {split} split is a {type(index).__name__}, not an archspec.data.ImageIndex"
    if not len(index):
        return f"its {split} split is empty"
    least, most = int(index.labels.min()), int(index.labels.max())
    if least < 0 or most >= classes:
        wrong = least if least < 0 else most
        help = "a label is the position of a name in `classes`"
        return f"its {split} split has the label {wrong}, and labels go from 0 to {classes - 1}: {help}"
    least, most = int(index.numbers.min()), int(index.numbers.max())
    if least < 0 or most >= len(index.source):
        wrong = least if least < 0 else most
        return f"its {split} split asks for the image {wrong} of a source of {len(index.source)}"
    return None
