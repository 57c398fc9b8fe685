"""Index -> batches, by any number of worker processes, with the same bits whatever their number."""

from __future__ import annotations

import math
import os
import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from archspec.data.index import ImageIndex
from archspec.data.preprocessing import Reading
from archspec.data.randomness import SAMPLE, epoch_order, seed_generator
from archspec.data.transforms import Transform
from archspec.errors import DataError

Key = tuple[int, int]
"""An epoch, and a position in the index."""
Sample = tuple[np.ndarray, int, int]
"""Pixels (H, W, C), a label, and a position in the index."""


@dataclass
class Batch:
    """Images (B, C, H, W) of uint8 in channels-last memory, labels (B,), and the images' positions in the index."""

    images: Tensor
    labels: Tensor
    positions: Tensor

    def pin_memory(self) -> Batch:
        """The batch in memory that a GPU can copy from while the CPU goes on."""
        return Batch(self.images.pin_memory(), self.labels.pin_memory(), self.positions)


def default_workers() -> int:
    """Loader processes for this machine: one a core, up to 8."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class _Images(Dataset[Any]):
    """Decodes and transforms one image. An unreadable one is returned as its error, to be raised where it is read."""

    def __init__(self, index: ImageIndex, reading: Reading, transform: Transform, seed: int) -> None:
        self.index, self.reading, self.transform, self.seed = index, reading, transform, seed

    def __getitem__(self, key: Key) -> Sample | DataError:
        epoch, position = key
        try:
            image = self.index.read(position, self.reading)
        except DataError as error:
            return error
        seed_generator(SAMPLE, self.seed, epoch, position)
        return self.transform(image), int(self.index.labels[position]), position


def _collate(samples: list[Sample | DataError]) -> Batch | DataError:
    for sample in samples:
        if isinstance(sample, DataError):
            return sample
    pixels, labels, positions = zip(*cast(list[Sample], samples), strict=True)
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    return Batch(images, torch.tensor(labels), torch.tensor(positions))


class _Keys:
    """The batches of an epoch as lists of keys: a batch sampler whose epoch is set before each pass."""

    def __init__(self, count: int, batch_size: int, *, shuffle: bool, seed: int) -> None:
        self.count, self.batch_size, self.shuffle, self.seed = count, batch_size, shuffle, seed
        self.epoch = 0

    def __len__(self) -> int:
        if self.shuffle and self.count > 1 and self.count % self.batch_size == 1:  # BatchNorm cannot train on one image
            return self.count // self.batch_size
        return math.ceil(self.count / self.batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        order = epoch_order(self.count, self.seed, self.epoch) if self.shuffle else torch.arange(self.count)
        for batch in order.split(self.batch_size)[: len(self)]:
            yield [(self.epoch, position) for position in batch.tolist()]


def _ignore_interrupts(worker: int) -> None:
    """Ctrl-C goes to every process of the terminal; the main one answers it and ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Loader:
    """Batches of one split.

    With `shuffle`, an epoch's order is a function of (seed, epoch), and a last batch of a single image is left out. An
    image's augmentation is a function of (seed, epoch, its position).
    """

    def __init__(
        self,
        index: ImageIndex,
        reading: Reading,
        transform: Transform,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        self.index, self.workers = index, workers
        self._keys = _Keys(len(index), batch_size, shuffle=shuffle, seed=seed)
        with warnings.catch_warnings(action="ignore"):  # of more workers than cores, which the user asked for
            self._loader = self._make_loader(reading, transform, seed, pin_memory)

    def _make_loader(
        self, reading: Reading, transform: Transform, seed: int, pin_memory: bool
    ) -> DataLoader[Batch | DataError]:
        return DataLoader(
            _Images(self.index, reading, transform, seed),
            batch_sampler=self._keys,
            collate_fn=_collate,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=pin_memory,
            generator=torch.Generator(),  # its own, or it moves the global one
            worker_init_fn=_ignore_interrupts,
        )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._keys)

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        """The batches of an epoch.

        Raises:
            DataError: an image cannot be read; it names the file.

        """
        self._keys.epoch = epoch
        for batch in self._loader:
            if isinstance(batch, DataError):
                raise DataError(batch.message, file=batch.file, help=batch.help)  # a new one, without a cycle to itself
            yield batch
