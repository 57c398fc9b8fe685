"""Indexes whose images come from a store: smaller copies to train on, finished pixels to evaluate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from archspec.data.index import ImageIndex
from archspec.data.preprocessing import Preprocessing
from archspec.data.reading import Reading, Reduction
from archspec.data.sources import ImageSource
from archspec.data.store import Shape, Store, StorePlan, plan_store
from archspec.data.transforms import EvaluationTransform, as_image, as_pixels
from archspec.errors import DataError

Keep = Callable[[Image.Image, Shape], np.ndarray]
"""An image, and the shape that is kept of it -> (H, W, C) of uint8."""


class _OfIndex(ImageSource):
    """The images of an index, read in another way."""

    def __init__(self, index: ImageIndex, reading: Reading) -> None:
        self.index, self.reading, self.root = index, reading, index.root

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


class StoredImages(_OfIndex):
    """The images of an index, each as a store keeps it. The store is made or opened when an epoch begins."""

    def __init__(self, index: ImageIndex, plan: StorePlan, reading: Reading, keep: Keep) -> None:
        super().__init__(index, reading)
        self.plan, self.keep = plan, keep
        self.store: Store | None = None

    def read(self, number: int, reading: Reading) -> Image.Image:
        assert self.store is not None, "`prepare` comes before the first image is read"
        return as_image(self.store.read(number, self._make))

    def prepare(self) -> None:
        if self.store is None:
            self.store = Store(self.plan)

    def settle(self) -> None:
        assert self.store is not None, "an epoch was read"
        self.store.settle(self._make)

    def _make(self, number: int) -> np.ndarray:
        height, width, channels = self.plan.shapes[number].tolist()
        if not height:  # the store has no place for it, even if it was mended since
            message = f"the image '{self.name(number)}' could not be read when the cache was planned"
            raise DataError(message, file=self.file(number))
        return self.keep(self.index.read(number, self.reading), (height, width, channels))


class ShrunkImages(_OfIndex):
    """The images of an index as a store would keep them for training, made anew each time."""

    def __init__(self, index: ImageIndex, reading: Reading, reduction: Reduction | None) -> None:
        super().__init__(index, reading)
        self.shape = shape_to_keep(reading, reduction)

    def read(self, number: int, reading: Reading) -> Image.Image:
        return as_image(shrink(self.index.read(number, self.reading), self.shape(*self.index.size(number))))


def shape_to_keep(reading: Reading, reduction: Reduction | None) -> Callable[[int, int], Shape]:
    """What is kept of an image of a width and a height, to train on."""

    def shape(width: int, height: int) -> Shape:
        if reduction is not None:
            width, height = reduction.least(width, height)
        return height, width, reading.channels

    return shape


def shrink(image: Image.Image, shape: Shape) -> np.ndarray:
    """A smaller copy of an image. Pixels are averaged in blocks first, down to 1.5 times the wanted size at least."""
    height, width, _ = shape
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=1.5)
    return as_pixels(image)


def store_for_training(
    index: ImageIndex, reading: Reading, reduction: Reduction | None, *, in_memory: bool, skip_unreadable: bool
) -> ImageIndex:
    """The index, its images kept as small as the reduction allows; without one, whole.

    Raises:
        DataError: an image's header cannot be read.

    """
    settings = {"reading": asdict(reading), "reduction": asdict(reduction) if reduction else None}
    shape = shape_to_keep(reading, reduction)
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
