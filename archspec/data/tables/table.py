"""Opens a table of images as a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archspec.data.index import TRAIN, VALIDATION, ImageData, ImageIndex
from archspec.data.sources import ImageFiles
from archspec.data.splits import SPLITS, draw_splits, note_differences
from archspec.data.tables.checks import check_files, drop_repeats
from archspec.data.tables.faults import Faults
from archspec.data.tables.files import find_tables, open_rows
from archspec.data.tables.labels import find_measurement, sort_classes, threshold_classes
from archspec.data.tables.listing import Listing, read_listing
from archspec.data.tables.options import TableOptions
from archspec.errors import DataError
from archspec.plugins import closest


def open_table(options: TableOptions, seed: int) -> ImageData:
    """The data set that a table lists. Splits that it lacks are drawn from the training images, every class alike.

    Raises:
        ArchspecError: there is no such table; a DocumentError with what is wrong in its rows, with line and column.

    """
    root = Path(options.root)
    tables = [(split, open_rows(path)) for split, path in find_tables(root, options).items()]
    notes: list[str] = []
    faults = Faults()
    listing = read_listing(root, tables, options, faults)
    notes += [note for columns in listing.columns for note in columns.notes]
    faults.refuse()
    listing = drop_repeats(listing, faults, notes)
    check_files(listing, faults)
    faults.refuse()
    classes, index = _label(listing, options, notes)
    if len(classes) == 1:
        message = f"the table '{root}' has one class, '{classes[0]}'; a classifier needs two"
        raise DataError(message, file=root)
    splits = _split(listing, index, classes, options, notes)
    drawn = VALIDATION not in splits
    if drawn:
        test = 0.0 if listing.is_split else options.test
        splits |= draw_splits(splits[TRAIN], options.validation, test, seed, notes)
    return ImageData("table", root, tuple(classes), splits, drawn, tuple(notes))


def _label(listing: Listing, options: TableOptions, notes: list[str]) -> tuple[list[str], ImageIndex]:
    """The classes, and all images by them; -1 for an image whose class the training split lacks."""
    names = list(listing.names)
    trained = np.unique(listing.labels[listing.splits == SPLITS.index(TRAIN)])
    if not len(trained):
        raise DataError(f"the table '{listing.root}' has no image to train on", file=listing.root)
    if options.thresholds is not None:
        classes = list(options.class_names or threshold_classes(options.thresholds))
        lacking = [name for label, name in enumerate(classes) if label not in trained]
        if lacking:
            message = f"no training image of the table '{listing.root}' has a label in {', '.join(lacking)}"
            raise DataError(message, file=listing.root, help="change `thresholds`")
        places = np.arange(len(classes))
    else:
        known = [names[label] for label in trained]
        _refuse_measurements(listing, known)
        classes = sort_classes(known)
        place_of = {name: place for place, name in enumerate(classes)}
        places = np.array([place_of.get(name, -1) for name in names])
    return classes, ImageIndex(ImageFiles(listing.images, listing.paths), places[listing.labels])


def _refuse_measurements(listing: Listing, names: list[str]) -> None:
    odd = find_measurement(names)
    if odd is not None:
        faults = Faults()
        row = int(np.flatnonzero(listing.labels == listing.names[odd])[0])
        hint = "thresholds make classes of numbers: --set data.thresholds=[1.5,3]"
        faults.add(f"the label {odd} is a number, and no whole one", listing.place_of(row, "label"), hint)
        faults.refuse()


def _split(
    listing: Listing, index: ImageIndex, classes: list[str], options: TableOptions, notes: list[str]
) -> dict[str, ImageIndex]:
    """The splits that the table has. An image of an unknown class is an error, or left out."""
    unknown = index.labels < 0
    if options.unknown == "error":
        _refuse_unknown(listing, np.flatnonzero(unknown), classes)
    names = list(listing.names)
    splits = {}
    for number, split in enumerate(SPLITS):
        there = listing.splits == number
        positions = np.flatnonzero(there & ~unknown)
        skipped: dict[str, int] = {}
        for label, count in zip(*np.unique(listing.labels[there & unknown], return_counts=True), strict=True):
            skipped[names[label]] = int(count)
        if there.any() and not len(positions):
            raise DataError(f"the {split} split of '{listing.root}' holds no image of a known class", file=listing.root)
        if len(positions):
            splits[split] = index.select(positions)
            note_differences(split, tuple(classes), splits[split].labels, skipped, notes)
    return splits


def _refuse_unknown(listing: Listing, rows: np.ndarray, classes: list[str]) -> None:
    faults = Faults()
    names = list(listing.names)
    known = f"the training split's classes are {', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''}"
    for row in rows.tolist():
        name = names[listing.labels[row]]
        match = closest(name, classes)
        hint = f"did you mean '{match}'?" if match else ""
        note = f"{known}; or leave such images out: --set data.unknown=skip"
        faults.add(f"no image of the training split is a '{name}'", listing.place_of(row, "label"), hint, note)
    faults.refuse()
