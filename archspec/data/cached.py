"""Indexes whose images come from a store: smaller copies to train on, finished pixels to evaluate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from archspec.data.index import ImageIndex
from archspec.data.preprocessing import Preprocessing, Reading, Reduction
from archspec.data.sources import ImageSource
from archspec.data.store import Shape, Store, StorePlan, plan_store
from archspec.data.transforms import EvaluationTransform, as_pixels

Keep = Callable[[Image.Image, Shape], np.ndarray]
"""An image, and the shape that is kept of it -> (H, W, C) of uint8."""


class StoredImages(ImageSource):
    """The images of an index, each as a store keeps it. The store is made or opened when an epoch begins."""

    def __init__(self, index: ImageIndex, plan: StorePlan, reading: Reading, keep: Keep) -> None:
        self.index, self.plan, self.reading, self.keep = index, plan, reading, keep
        self.root = index.root
        self.store: Store | None = None

    def __len__(self) -> int:
        return len(self.index)

    def name(self, number: int) -> str:
        return self.index.name(number)

    def file(self, number: int) -> Path | None:
        return self.index.file(number)

    def size(self, number: int) -> tuple[int, int]:
        return self.index.size(number)

    def digest(self, numbers: np.ndarray) -> bytes:
        return self.index.source.digest(self.index.numbers[numbers])

    def read(self, number: int, reading: Reading) -> Image.Image:
        assert self.store is not None, "`prepare` comes before the first image is read"
        pixels = self.store.read(number, self._make)
        return Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[:, :, 0])

    def prepare(self) -> None:
        if self.store is None:
            self.store = Store(self.plan)

    def settle(self) -> None:
        assert self.store is not None, "an epoch was read"
        self.store.settle(self._make)

    def _make(self, number: int) -> np.ndarray:
        height, width, channels = self.plan.shapes[number].tolist()
        return self.keep(self.index.read(number, self.reading), (height, width, channels))


def shrink(image: Image.Image, shape: Shape) -> np.ndarray:
    """A smaller copy of an image. Pixels are averaged in blocks first, down to three times the wanted size."""
    height, width, _ = shape
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return as_pixels(image)


def store_for_training(
    index: ImageIndex, reading: Reading, reduction: Reduction, *, in_memory: bool, skip_unreadable: bool
) -> ImageIndex:
    """The index, its images kept as small as their random parts allow.

    Raises:
        DataError: an image's header cannot be read.

    """

    def shape(width: int, height: int) -> Shape:
        width, height = reduction.least(width, height)
        return height, width, reading.channels

    settings = {"reading": asdict(reading), "reduction": asdict(reduction)}
    plan = plan_store(index, settings, shape, in_memory=in_memory, skip_unreadable=skip_unreadable)
    return ImageIndex(StoredImages(index, plan, reading, shrink), index.labels)


class _Finish:
    """What evaluation makes of an image, whatever its size."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.transform = EvaluationTransform(preprocessing)

    def __call__(self, image: Image.Image, shape: Shape) -> np.ndarray:
        """An image -> (H, W, C) of uint8."""
        return self.transform(image)


def store_for_evaluation(
    index: ImageIndex, preprocessing: Preprocessing, *, in_memory: bool, skip_unreadable: bool
) -> ImageIndex:
    """The index, its images kept as the network takes them: `as_pixels` is the transform that is left.

    Raises:
        DataError: an image's header cannot be read.

    """
    shape = (*preprocessing.size, preprocessing.channels)
    settings = preprocessing.model_dump(mode="json")
    plan = plan_store(index, settings, lambda *_: shape, in_memory=in_memory, skip_unreadable=skip_unreadable)
    return ImageIndex(StoredImages(index, plan, preprocessing.reading, _Finish(preprocessing)), index.labels)
