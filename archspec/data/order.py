"""Which images make up each batch of an epoch: a function of the seed and the epoch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from archspec.data.randomness import balanced_order, epoch_order

Key = tuple[int, int] | tuple[int, int, int]
"""An epoch, a position in the index, and, from the second time in the epoch on, how often it came before."""


def batches_in(images: int, batch_size: int, *, shuffle: bool) -> int:
    """Batches in an epoch: a last one of a single image is left out of training, since BatchNorm cannot use it."""
    if shuffle and images > 1 and images % batch_size == 1:
        return images // batch_size
    return math.ceil(images / batch_size)


class Keys:
    """The batches of an epoch as lists of keys: a batch sampler whose epoch is set before each pass."""

    def __init__(self, labels: np.ndarray, batch_size: int, *, shuffle: bool, balance: bool, seed: int) -> None:
        self.labels, self.batch_size, self.shuffle, self.balance, self.seed = labels, batch_size, shuffle, balance, seed
        self.epoch = self.start = 0

    def __len__(self) -> int:
        return batches_in(len(self.labels), self.batch_size, shuffle=self.shuffle)

    def __iter__(self) -> Iterator[list[Key]]:
        order, times = self._order()
        batches = zip(order.split(self.batch_size), times.split(self.batch_size), strict=True)
        for positions, before in itertools.islice(batches, self.start, len(self)):
            pairs = zip(positions.tolist(), before.tolist(), strict=True)
            yield [(self.epoch, place, time) if time else (self.epoch, place) for place, time in pairs]

    def _order(self) -> tuple[Tensor, Tensor]:
        """Positions, and how often each came before."""
        if self.balance:
            return balanced_order(self.labels, self.seed, self.epoch)
        count = len(self.labels)
        order = epoch_order(count, self.seed, self.epoch) if self.shuffle else torch.arange(count)
        return order, torch.zeros_like(order)
