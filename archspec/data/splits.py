"""The splits of a data set: what they are usually called, and how those that it lacks are drawn."""

from __future__ import annotations

import re
from collections.abc import Collection

from archspec.data.index import TEST, TRAIN, VALIDATION, ImageIndex, stratified
from archspec.errors import DataError

SPLITS = (TRAIN, VALIDATION, TEST)
_USUAL = {
    TRAIN: ("train", "training", "trn"),
    VALIDATION: ("validation", "valid", "val", "dev", "development", "eval", "evaluation"),
    TEST: ("test", "testing", "tst", "holdout"),
}
_KNOWN = {name: split for split, names in _USUAL.items() for name in names}
_TAIL = re.compile(r"[-_. ]?(set|split|data|images|labels)$")


def split_of(name: str) -> str | None:
    """The split that a folder, a file or a value means, in any case: `Train`, `val`, `test_set`; None for others."""
    name = name.strip().lower()
    return _KNOWN.get(name) or _KNOWN.get(_TAIL.sub("", name))


def draw_splits(
    index: ImageIndex, validation: float, test: float, seed: int, notes: list[str]
) -> dict[str, ImageIndex]:
    """One index as train, validation and (with a share for it) test, drawn with the seed from every class alike.

    Raises:
        DataError: no class has an image to spare.

    """
    kept, tested, left = stratified(index.labels, [validation, test], seed)
    if not len(kept):
        message = f"'{index.root}' has one image a class, and none can be kept for validation"
        raise DataError(message, file=index.root, help="give every class more images, or the data a val split")
    splits = {TRAIN: index.select(left), VALIDATION: index.select(kept)}
    if len(tested):
        splits[TEST] = index.select(tested)
    sizes = f"{len(kept):,} for validation" + (f" and {len(tested):,} for test" if len(tested) else "")
    notes.append(f"there is no validation split: of {len(index):,} images, {sizes} are kept out of training")
    return splits


def note_differences(
    split: str, classes: tuple[str, ...], labels: Collection[int], skipped: dict[str, int], notes: list[str]
) -> None:
    """Say which classes a split lacks, and which it has beyond those of training."""
    there = set(labels)
    absent = [name for label, name in enumerate(classes) if label not in there]
    if absent:
        notes.append(f"the {split} split has no images of {', '.join(absent)}")
    if skipped:
        count = sum(skipped.values())
        what = f"{count:,} image{'' if count == 1 else 's'} left out" if count else "without images"
        notes.append(f"the {split} split has classes that training lacks, {', '.join(skipped)}: {what}")
