"""What a data set is: class names, and for each split an index of images. An index is arrays, not objects."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from archspec.data.decode import mode_for
from archspec.data.reading import Reading
from archspec.data.sources import ImageSource, JoinedSources
from archspec.errors import DataError, PluginError

TRAIN, VALIDATION, TEST = "train", "validation", "test"


class ImageIndex:
    """The images of one split: their numbers in a source, and labels as positions in the class names.

    A position in the index is what batches and reports speak of.
    """

    def __init__(
        self, source: ImageSource, labels: Sequence[int] | np.ndarray, numbers: Sequence[int] | np.ndarray | None = None
    ) -> None:
        self.source = source
        self.labels = np.asarray(labels, dtype=np.int64)
        self.numbers = np.arange(len(source)) if numbers is None else np.asarray(numbers, dtype=np.int64)
        assert len(self.numbers) == len(self.labels), "every image needs one label"

    @property
    def root(self) -> Path:
        """The folder or file that messages name."""
        return self.source.root

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, position: int) -> str:
        """What messages call one image: its file, or its place in an array."""
        return self.source.name(int(self.numbers[position]))

    def file(self, position: int) -> Path | None:
        """The file that holds one image, if it has one of its own."""
        return self.source.file(int(self.numbers[position]))

    def read(self, position: int, reading: Reading) -> Image.Image:
        """The pixels of one image.

        Raises:
            DataError: it cannot be read; it names the image.
            PluginError: the source gave something else than an image of the reading's mode.

        """
        image = self.source.read(int(self.numbers[position]), reading)
        wanted = mode_for(reading.channels)
        if not isinstance(image, Image.Image) or image.mode != wanted or 0 in image.size:
            is_image = isinstance(image, Image.Image)
            given = f"{image.mode} of {image.width}x{image.height}" if is_image else type(image).__name__
            what = f"'{self.name(position)}' comes as {given}, where an image of mode {wanted} was asked for"
            raise PluginError(what, help="its data set is at fault: archspec.data.convert_image(image, reading) helps")
        return image

    def size(self, position: int) -> tuple[int, int]:
        """Width and height of one upright image, which takes no decoding.

        Raises:
            DataError: it is no image; it names it.

        """
        return self.source.size(int(self.numbers[position]))

    def fingerprint(self) -> str:
        """SHA-256 over images and labels: the same images give the same digits."""
        return hashlib.sha256(self.labels.tobytes() + self.source.digest(self.numbers)).hexdigest()

    def select(self, positions: np.ndarray) -> ImageIndex:
        """The images at these positions, in this order."""
        return ImageIndex(self.source, self.labels[positions], self.numbers[positions])

    def join(self, other: ImageIndex) -> ImageIndex:
        """These images and then those of another index of the same classes."""
        labels = np.concatenate([self.labels, other.labels])
        if self.source is other.source:
            return ImageIndex(self.source, labels, np.concatenate([self.numbers, other.numbers]))
        numbers = np.concatenate([self.numbers, other.numbers + len(self.source)])
        return ImageIndex(JoinedSources([self.source, other.source]), labels, numbers)

    def relabel(self, theirs: Sequence[str], ours: Sequence[str]) -> ImageIndex:
        """The same images, labelled by `ours` instead of `theirs`: classes are matched by name.

        Raises:
            DataError: there are images of a class that `ours` lacks.

        """
        unknown = sorted({theirs[label] for label in np.unique(self.labels)} - set(ours))
        if unknown:
            message = f"the data has classes that the network was not trained on: {', '.join(unknown[:10])}"
            raise DataError(
                message,
                file=self.root,
                help=f"it was trained on {', '.join(ours[:10])}"
                + (f" and {len(ours) - 10} more" if len(ours) > 10 else ""),
            )
        places = np.array([ours.index(name) if name in ours else -1 for name in theirs])
        return ImageIndex(self.source, places[self.labels], self.numbers)


@dataclass(frozen=True)
class ImageData:
    """A data set: `classes` come from the training split, `splits` are called train, validation and test."""

    name: str
    root: Path
    classes: tuple[str, ...]
    splits: dict[str, ImageIndex]
    drawn: bool = False
    """Whether a split was drawn from the images of another, rather than found."""
    notes: tuple[str, ...] = ()
    """What was noticed and does no harm, a sentence each: a class that a split lacks, a split that was made."""


def stratified(labels: np.ndarray, shares: Sequence[float], seed: int) -> list[np.ndarray]:
    """Positions for each share, drawn from every class alike, and last the positions that are left.

    Where a class has two images or more, one is always left. Positions come back in ascending order.
    """
    generator = np.random.default_rng(seed)
    parts: list[list[np.ndarray]] = [[] for _ in range(len(shares) + 1)]
    for label in np.unique(labels):
        positions = generator.permutation(np.flatnonzero(labels == label))
        for part, share in zip(parts, shares, strict=False):
            count = min(max(1, round(share * np.count_nonzero(labels == label))), len(positions) - 1) if share else 0
            part.append(positions[:count])
            positions = positions[count:]
        parts[-1].append(positions)
    return [np.sort(np.concatenate(part)) if part else np.array([], dtype=np.int64) for part in parts]
