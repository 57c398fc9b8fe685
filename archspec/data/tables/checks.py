"""What the rows of a table must agree on: an image stands in one split under one label, and is there."""

from __future__ import annotations

import os
import posixpath

import numpy as np

from archspec.data.splits import SPLITS
from archspec.data.tables.faults import Faults
from archspec.data.tables.listing import Listing
from archspec.errors import DataError, shorten


def drop_repeats(listing: Listing, faults: Faults, notes: list[str]) -> Listing:
    """The rows without those that say again what another one said.

    An image under two labels, or in two splits, which would be tested on what it was trained on, is a fault.
    """
    first: dict[str, int] = {}
    kept = []
    for row, path in enumerate(listing.paths):
        before = first.setdefault(path, row)
        if before == row:
            kept.append(row)
            continue
        one, other = SPLITS[listing.splits[before]], SPLITS[listing.splits[row]]
        there = f"line {listing.lines[before]} of '{listing.tables[listing.table_of[before]].path.name}'"
        if one != other:
            hint = f"it is in the {one} split too, by {there}"
            column = "split" if listing.columns[listing.table_of[row]].split else "path"
            faults.add(f"'{shorten(path)}' is in two splits", listing.place_of(row, column), hint)
        elif listing.labels[before] != listing.labels[row]:
            hint = f"it has another by {there}"
            faults.add(f"'{shorten(path)}' has two labels", listing.place_of(row, "label"), hint)
    repeats = len(listing.paths) - len(kept)
    if repeats:
        notes.append(
            f"{repeats:,} row{' repeats an image and is' if repeats == 1 else 's repeat images and are'} left out"
        )
    return listing.select(np.array(kept, dtype=np.int64))


def check_files(listing: Listing, faults: Faults) -> None:
    """Whether every image is there. Folders are listed, since asking for file by file takes ten times as long.

    Raises:
        DataError: none is.

    """
    folders: dict[str, set[str]] = {}
    missing = 0
    for row, path in enumerate(listing.paths):
        folder, name = posixpath.split(path)
        if folder not in folders:
            folders[folder] = _files_in(listing.images / folder)
        if name not in folders[folder]:
            missing += 1
            match = _resembling(name, folders[folder])
            hint = f"did you mean '{shorten(match)}'?" if match else ""
            faults.add(f"there is no image '{listing.images / path}'", listing.place_of(row, "path"), hint)
    if missing == len(listing.paths):
        message = f"none of the {missing:,} images of the table '{listing.root}' is below '{listing.images}'"
        help = f"the first would be '{listing.images / listing.paths[0]}'; `images` names another folder"
        raise DataError(message, file=listing.root, help=help)


def _files_in(folder: os.PathLike[str]) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if not entry.is_dir()}
    except OSError:
        return set()


def _resembling(name: str, names: set[str]) -> str | None:
    """A name that differs in case or suffix alone."""
    stem = name.lower().rpartition(".")[0]
    wanted = {name.lower(), stem} if stem else {name.lower()}
    return min((one for one in names if {one.lower(), one.lower().rpartition(".")[0]} & wanted), default=None)
