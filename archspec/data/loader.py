"""Index -> batches, by any number of worker processes, with the same bits whatever their number."""

from __future__ import annotations

import signal
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from archspec.data.index import ImageIndex
from archspec.data.interrupts import uninterrupted
from archspec.data.order import Key, Keys
from archspec.data.randomness import SAMPLE, seed_generator
from archspec.data.reading import Reading
from archspec.data.transforms import ByEpoch, Transform
from archspec.data.watch import Watch
from archspec.errors import ArchspecError, DataError, place_raised

MOST_SKIPPED = 0.01
"""The share of images that may be skipped: with more, something else is wrong."""
WORKER_TIMEOUT = 120.0
"""Seconds that a batch may be waited for."""


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be read, and the error in words, which cross processes."""

    position: int
    message: str
    file: str | None
    help: str | None
    skippable: bool = True
    """Whether the image is at fault; if not, the code that reads it is."""


Sample = tuple[np.ndarray, int, int]
"""Pixels (H, W, C), a label, and a position in the index."""


@dataclass
class Batch:
    """Images (B, C, H, W) of uint8 in channels-last memory, labels (B,), and the images' positions in the index."""

    images: Tensor
    labels: Tensor
    positions: Tensor
    unreadable: tuple[Unreadable, ...] = ()
    number: int = 0
    """Of the batch in its epoch, from 0."""

    def pin_memory(self) -> Batch:
        """The batch in memory that a GPU can copy from while the CPU goes on."""
        return Batch(self.images.pin_memory(), self.labels.pin_memory(), self.positions, self.unreadable)


class _Images(Dataset[Any]):
    """Decodes and transforms one image. An unreadable one is returned as such, to be raised where it is read."""

    def __init__(self, index: ImageIndex, reading: Reading, transform: ByEpoch, seed: int, watch: Watch) -> None:
        self.index, self.reading, self.transform = index, reading, transform
        self.seed, self.watch = seed, watch

    def __getitem__(self, key: Key) -> Sample | Unreadable:
        position = key[1]
        self.watch.begin(position)
        try:
            return self._sample(key)
        except Exception as error:  # a plugin's code may raise anything; torch's way of telling it ends in a hang
            return _fault_of(error, position, self.index)

    def _sample(self, key: Key) -> Sample | Unreadable:
        epoch, position = key[:2]
        try:
            image = self.index.read(position, self.reading)
        except DataError as error:
            return Unreadable(position, error.message, error.file, error.help)
        seed_generator(SAMPLE, self.seed, *key)
        return self.transform.at(epoch)(image), int(self.index.labels[position]), position


def _fault_of(error: Exception, position: int, index: ImageIndex) -> Unreadable:
    """An error of the code that reads or transforms an image, with its place, or in its own words."""
    if isinstance(error, ArchspecError):
        return Unreadable(position, error.message, None, error.help, skippable=False)
    message = f"'{index.name(position)}' could not be prepared: {type(error).__name__}: {error}"
    help = f"{place_raised(error)} raised it: a data set's or a transform's own code"
    return Unreadable(position, message, None, help, skippable=False)


def _collate(samples: list[Sample | Unreadable]) -> Batch:
    """The samples of a batch; what could not be read stands beside them."""
    unreadable = tuple(sample for sample in samples if isinstance(sample, Unreadable))
    read = [sample for sample in samples if not isinstance(sample, Unreadable)]
    if not read:
        nothing = torch.empty(0, dtype=torch.int64)
        return Batch(torch.empty(0), nothing, nothing, unreadable)
    pixels, labels, positions = zip(*read, strict=True)
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    return Batch(images, torch.tensor(labels), torch.tensor(positions), unreadable)


def _begin_worker(worker: int) -> None:
    """Ctrl-C goes to every process of the terminal; the main one answers it and ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    info = get_worker_info()
    assert info is not None, "this runs in a worker"
    cast(_Images, info.dataset).watch.join(worker)


class Loader:
    """Batches of one split.

    With `shuffle`, an epoch's order is a function of (seed, epoch), and a last batch of a single image is left out. An
    image's augmentation is a function of (seed, epoch, its position). With `balance`, each class comes equally often.
    With `skip_unreadable`, an image that cannot be read is left out of its batch, and stands in `skipped`; without, it
    is an error. With `tell_unreadable`, every batch is given, with what could not be read beside it, however many.
    """

    def __init__(
        self,
        index: ImageIndex,
        reading: Reading,
        transform: Transform | ByEpoch,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        balance: bool = False,
        workers: int = 0,
        pin_memory: bool = False,
        skip_unreadable: bool = False,
        tell_unreadable: bool = False,
        timeout: float = WORKER_TIMEOUT,
    ) -> None:
        self.index, self.workers, self.skip_unreadable, self.timeout = index, workers, skip_unreadable, timeout
        self.tell_unreadable = tell_unreadable
        self.skipped: dict[int, str] = {}
        """Positions of images that could not be read, and why."""
        self.waited = 0.0
        """Seconds that the last epoch waited for its batches after the first."""
        self._watch = Watch(workers)
        self._keys = Keys(index.labels, batch_size, shuffle=shuffle or balance, balance=balance, seed=seed)
        by_epoch = transform if isinstance(transform, ByEpoch) else ByEpoch(((0, transform),))
        self._images = _Images(index, reading, by_epoch, seed, self._watch)
        self._pin_memory = pin_memory
        self._loader: DataLoader[Batch] | None = None
        self._batches: Iterator[Batch] | None = None

    def _open(self) -> DataLoader[Batch]:
        with warnings.catch_warnings(action="ignore"):  # of more workers than cores, which the user asked for
            return DataLoader(
                self._images,
                batch_sampler=self._keys,
                collate_fn=_collate,
                num_workers=self.workers,
                persistent_workers=self.workers > 0,
                pin_memory=self._pin_memory,
                timeout=self.timeout if self.workers else 0,
                generator=torch.Generator(),  # its own, or it moves the global one
                worker_init_fn=_begin_worker,
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._keys)

    @property
    def shuffle(self) -> bool:
        """Whether it is for training."""
        return self._keys.shuffle

    def in_order(self, **settings: Any) -> Loader:
        """A loader of the same images, read and transformed alike, in the index's order."""
        return Loader(self.index, self._images.reading, self._images.transform, **settings)

    def close(self) -> None:
        """End the processes; the next epoch starts new ones."""
        self._loader = self._batches = None

    def positions(self, epoch: int = 0, start: int = 0) -> Iterator[Tensor]:
        """The images' positions in each batch of an epoch, from number `start` on, without reading any: (B,)."""
        self._keys.epoch, self._keys.start = epoch, start
        for keys in self._keys:
            yield torch.tensor([key[1] for key in keys])

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from number `start` on.

        Raises:
            DataError: an image cannot be read, or more than may be skipped; a worker died or hangs.

        """
        self._keys.epoch, self._keys.start = epoch, start
        self.waited = 0.0
        self.index.source.prepare()
        self._loader = self._loader or self._open()
        with uninterrupted():  # the first pass starts the processes
            self._batches = iter(self._loader)
        try:
            yield from self._read(start)
        except Exception:  # the processes end here: as garbage in a cycle, each would be waited for, 5 seconds long
            self.close()
            raise
        self.index.source.settle()

    def read(self, number: int, epoch: int = 0) -> Batch:
        """One batch of an epoch, read by this process.

        Raises:
            DataError: an image cannot be read.

        """
        self._keys.epoch, self._keys.start = epoch, number
        batch = self._take(next(iter(self._keys)))
        batch.number = number
        return batch

    def take(self, positions: Tensor, epoch: int = 0) -> Batch:
        """The images at these positions (B,) as an epoch has them, read by this process.

        Raises:
            DataError: an image cannot be read.

        """
        return self._take([(epoch, position) for position in positions.tolist()])

    def _take(self, keys: list[Key]) -> Batch:
        self.index.source.prepare()
        batch = _collate([self._images[key] for key in keys])
        self._count(batch.unreadable)
        return batch

    def _read(self, start: int) -> Iterator[Batch]:
        for number in range(start, len(self)):
            began = time.perf_counter()
            batch = self._next()
            self.waited += time.perf_counter() - began if number > start else 0.0
            batch.number = number
            self._count(batch.unreadable)
            enough = len(batch.labels) > self._keys.shuffle  # BatchNorm cannot train on one image
            if enough or self.tell_unreadable or not batch.unreadable:
                yield batch

    def _next(self) -> Batch:
        assert self._batches is not None, "an epoch has begun"
        try:
            return next(self._batches)
        except RuntimeError as error:
            fault = self._watch.explain(str(error), self.timeout, self.index)
            if fault is None:
                raise
        raise fault  # out here, or torch's error would hold the processes

    def _count(self, unreadable: tuple[Unreadable, ...]) -> None:
        """Raise for an image that cannot be read, or note that it is skipped."""
        for image in unreadable:
            if image.skippable and self.tell_unreadable:
                continue
            if not (self.skip_unreadable and image.skippable):
                raise DataError(image.message, file=image.file, help=image.help)
            self.skipped[image.position] = image.message
        if len(self.skipped) > max(1, MOST_SKIPPED * len(self.index)):
            share = len(self.skipped) / len(self.index)
            message = f"{len(self.skipped):,} of {len(self.index):,} images ({share:.1%}) cannot be read"
            help = f"at most {MOST_SKIPPED:.0%} may be skipped; {next(iter(self.skipped.values()))}"
            raise DataError(message, file=self.index.root, help=help)
