"""What the network sees of a few images: the same bits as in training, without a loader."""

from __future__ import annotations

import numpy as np

from archspec.data.index import ImageIndex
from archspec.data.randomness import SAMPLE, epoch_order, seed_generator
from archspec.data.reading import Reading
from archspec.data.transforms import Transform


def choose_positions(labels: np.ndarray, count: int, seed: int) -> list[int]:
    """Positions of so many images, drawn by the seed: one of each class, then a second one, ... ; in order of class."""
    order = epoch_order(len(labels), seed, 0).numpy()
    drawn = labels[order]
    by_class = np.argsort(drawn, kind="stable")
    grouped = drawn[by_class]
    rank = np.empty_like(by_class)
    rank[by_class] = np.arange(len(labels)) - np.searchsorted(grouped, grouped)
    chosen = order[np.argsort(rank, kind="stable")[:count]]
    return [int(position) for position in chosen[np.argsort(labels[chosen], kind="stable")]]


def training_view(
    index: ImageIndex, reading: Reading, position: int, transform: Transform, *, seed: int, epoch: int
) -> np.ndarray:
    """The pixels (H, W, C) of an image as training sees them in an epoch, counted from 0.

    Raises:
        DataError: the image cannot be read.

    """
    image = index.read(position, reading)
    seed_generator(SAMPLE, seed, epoch, position)
    return transform(image)
