"""A data set -> what it holds: counts, sizes, kinds, colours, unreadable files, copies, and what to train it at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any

import numpy as np

from archspec.data.duplicates import Duplicates, find_duplicates
from archspec.data.index import TEST, TRAIN, VALIDATION, ImageData, ImageIndex
from archspec.data.look import LOOK, Looks

SMALLEST, LARGEST, STEP = 32, 224, 32
"""Of the suggested input size, in pixels."""
TINY = 32
"""An image with a side below this many pixels."""
_NAMED = 1_000
"""Images that a list names; a list of corrupt files names all."""


@dataclass(frozen=True)
class Spread:
    """The least, the median and the most of some figures."""

    least: float
    median: float
    most: float


@dataclass(frozen=True)
class Corrupt:
    """A file that cannot be read, and why."""

    path: str
    reason: str
    """The whole message, which names the file."""

    @property
    def cause(self) -> str:
        """The reason without the file's name."""
        return self.reason.rpartition(" cannot be read: ")[2]


@dataclass(frozen=True)
class Some:
    """Images that have something in common: how many, and the first thousand of them by name."""

    count: int
    paths: tuple[str, ...]


@dataclass(frozen=True)
class SplitFacts:
    """What one split holds. `images` and `per_class` count every file, the rest those that can be read."""

    name: str
    images: int
    per_class: dict[str, int]
    corrupt: tuple[Corrupt, ...]
    width: Spread | None
    height: Spread | None
    aspect: Spread | None
    """Width over height."""
    modes: dict[str, int]
    """Pillow's modes, as the files have them."""
    formats: dict[str, int]
    grey: int
    """Images whose red, green and blue are the same, whatever their mode."""
    tiny: Some
    """Images with a side below 32 pixels."""
    blank: Some
    """Images of one colour, or nearly."""
    misnamed: Some
    """Files whose suffix is another format's."""
    rotated: int
    """Images that EXIF turns or mirrors."""
    frames: Some
    """Files with several frames or pages, of which the first is taken."""

    def record(self) -> dict[str, Any]:
        record = asdict(self)
        del record["name"]
        record["corrupt"] = [file.path for file in self.corrupt]
        record["reasons"] = [file.reason for file in self.corrupt]
        return record


@dataclass(frozen=True)
class Inspection:
    """What a data set holds."""

    name: str
    root: str
    classes: tuple[str, ...]
    drawn: bool
    notes: tuple[str, ...]
    splits: tuple[SplitFacts, ...]
    duplicates: Duplicates
    channels: int
    """1 where all training images are grey, or else 3."""
    mean: tuple[float, ...] | None
    """Of the training images' channels, from 0 to 1, every image weighing alike."""
    std: tuple[float, ...] | None
    input_size: int | None
    """The largest multiple of 32, from 32 to 224, that three of four training images reach with their shorter side."""

    def record(self) -> dict[str, Any]:
        """The inspection as `--json` gives it, but for the findings."""
        return {
            "data": self.name,
            "root": self.root,
            "classes": self.classes,
            "drawn": self.drawn,
            "splits": {split.name: split.record() for split in self.splits},
            "channels": self.channels,
            "mean": self.mean,
            "std": self.std,
            "input_size": self.input_size,
            "duplicates": [pair.record() for pair in self.duplicates.pairs],
            "duplicates_found": self.duplicates.found,
        }


def split_names(data: ImageData) -> tuple[str, ...]:
    """Training first, then validation, then test, and what else there is."""
    usual = (TRAIN, VALIDATION, TEST)
    return tuple(sorted(data.splits, key=lambda name: usual.index(name) if name in usual else len(usual)))


def join_splits(data: ImageData) -> ImageIndex:
    """All images of a data set in one index, one split after another in the order of `split_names`."""
    return reduce(lambda first, second: first.join(second), (data.splits[name] for name in split_names(data)))


def inspect(data: ImageData, looks: Iterable[Looks]) -> Inspection:
    """What a data set holds, from a look at every image of `join_splits(data)`, as `survey` gives it."""
    parts: list[np.ndarray] = []
    reasons: dict[int, str] = {}
    for part in looks:
        parts.append(part.rows)
        reasons |= part.reasons
    rows = np.concatenate([np.zeros(0, LOOK), *parts])
    index, names = join_splits(data), split_names(data)
    split_of = np.repeat(np.arange(len(names)), [len(data.splits[name]) for name in names])
    splits = tuple(
        _describe_split(name, rows[split_of == number], reasons, index, data.classes)
        for number, name in enumerate(names)
    )
    readable = rows[rows["readable"]]
    duplicates = find_duplicates(readable, index, split_of, names, data.classes)
    training = readable[split_of[readable["number"]] == 0]
    channels, mean, std = _colours(training)
    root, size = str(data.root), _suggest_size(training)
    return Inspection(
        data.name, root, data.classes, data.drawn, data.notes, splits, duplicates, channels, mean, std, size
    )


def _describe_split(
    name: str, rows: np.ndarray, reasons: dict[int, str], index: ImageIndex, classes: tuple[str, ...]
) -> SplitFacts:
    counts = np.bincount(index.labels[rows["number"]], minlength=len(classes)).tolist()
    corrupt = tuple(
        Corrupt(index.name(number), reasons[number]) for number in rows["number"][~rows["readable"]].tolist()
    )
    rows = rows[rows["readable"]]

    def some(chosen: np.ndarray) -> Some:
        numbers = rows["number"][chosen].tolist()
        return Some(len(numbers), tuple(index.name(number) for number in numbers[:_NAMED]))

    return SplitFacts(
        name,
        len(rows) + len(corrupt),
        dict(zip(classes, counts, strict=True)),
        corrupt,
        width=_spread(rows["width"]),
        height=_spread(rows["height"]),
        aspect=_spread(rows["width"] / rows["height"]),
        modes=_tally(rows["mode"]),
        formats=_tally(rows["format"]),
        grey=int(rows["grey"].sum()),
        tiny=some(np.minimum(rows["width"], rows["height"]) < TINY),
        blank=some(rows["blank"]),
        misnamed=some(rows["misnamed"]),
        rotated=int(rows["rotated"].sum()),
        frames=some(rows["frames"]),
    )


def _spread(values: np.ndarray) -> Spread | None:
    if not len(values):
        return None
    return Spread(*(round(float(value), 4) for value in (values.min(), np.median(values), values.max())))


def _tally(values: np.ndarray) -> dict[str, int]:
    """How often each text occurs, the most frequent first; an empty one does not count."""
    return {text.decode(): count for text, count in Counter(values.tolist()).most_common() if text}


def _colours(rows: np.ndarray) -> tuple[int, tuple[float, ...] | None, tuple[float, ...] | None]:
    """Channels, mean and standard deviation of images, every image weighing alike, as training shows them."""
    channels = 1 if len(rows) and rows["grey"].all() else 3
    if not len(rows):
        return channels, None, None
    mean, square = rows["mean"].mean(0)[:channels], rows["square"].mean(0)[:channels]
    std = np.sqrt(np.maximum(square - mean**2, 0))
    return channels, tuple(mean.round(4).tolist()), tuple(std.round(4).tolist())


def _suggest_size(rows: np.ndarray) -> int | None:
    if not len(rows):
        return None
    reached = int(np.percentile(np.minimum(rows["width"], rows["height"]), 25, method="lower"))
    return min(LARGEST, max(SMALLEST, reached // STEP * STEP))
