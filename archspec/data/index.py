"""What a data set is: class names, and for each split an index of images. An index is arrays, not objects."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archspec.errors import DataError

TRAIN, VALIDATION, TEST = "train", "validation", "test"


class ImageIndex:
    """The images of one split: paths below `root`, and labels as positions in the class names."""

    def __init__(self, root: Path, paths: Sequence[str], labels: Sequence[int] | np.ndarray) -> None:
        self.root = root
        self._paths = np.array([os.fsencode(path) for path in paths], dtype=np.bytes_)
        self.labels = np.asarray(labels, dtype=np.int64)
        assert len(self._paths) == len(self.labels), "every image needs one label"

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, position: int) -> Path:
        """The file of one image."""
        return self.root / os.fsdecode(bytes(self._paths[position]))

    def fingerprint(self) -> str:
        """SHA-256 over the paths and labels: the same images give the same digits."""
        digest = hashlib.sha256(self.labels.tobytes())
        digest.update(b"\0".join(self._paths.tolist()))
        return digest.hexdigest()

    def select(self, positions: np.ndarray) -> ImageIndex:
        """The images at these positions, in this order."""
        selected = ImageIndex(self.root, (), ())
        selected._paths, selected.labels = self._paths[positions], self.labels[positions]
        return selected

    def join(self, other: ImageIndex) -> ImageIndex:
        """These images and then those of another index of the same data set."""
        joined = ImageIndex(self.root, (), ())
        joined._paths = np.concatenate([self._paths, other._paths])
        joined.labels = np.concatenate([self.labels, other.labels])
        return joined

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
        relabelled = self.select(np.arange(len(self)))
        relabelled.labels = places[self.labels]
        return relabelled


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
