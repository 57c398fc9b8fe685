"""What a frozen prefix makes of every image, computed once and kept: in memory, or in a file for later runs too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from archspec.data.arrays import allocate, cache_folder, give_name
from archspec.data.loader import Batch, Loader
from archspec.data.store import identify
from archspec.data.transforms import Entrance

_VERSION = 1
FEATURES, READABLE = "features.npy", "readable.npy"


@dataclass(frozen=True)
class Kept:
    """The features of a split's images, seen in one way, or in two that are mirror images."""

    features: Tensor
    """(F, N, ...): F is 2 with mirror images; a map's channels are last."""
    readable: Tensor
    """(N,) of bool: images that could be read."""

    def batch(self, positions: Tensor, labels: Tensor, number: int, flip: int) -> Batch:
        """The batch of these positions; what could not be read is left out."""
        positions = positions[self.readable[positions]]
        features = self.features[flip][positions]
        images = features.permute(0, 3, 1, 2) if features.ndim == 4 else features
        return Batch(images, labels[positions], positions, number=number)


class KeptLoader:
    """A loader's batches, as features. The order of the images is the loader's own."""

    workers = 0
    waited = 0.0

    def __init__(self, loader: Loader, kept: Kept, flip: int = 0) -> None:
        self.loader, self.kept, self.flip = loader, kept, flip
        self.index, self.skipped = loader.index, loader.skipped
        self._labels = torch.from_numpy(loader.index.labels)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.loader)

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from number `start` on."""
        for number, positions in enumerate(self.loader.positions(epoch, start), start=start):
            batch = self.kept.batch(positions, self._labels, number, self.flip)
            if len(batch.labels) > self.loader.shuffle:  # BatchNorm cannot train on one image
                yield batch


@dataclass(frozen=True)
class Part:
    """A part of the prefix, from where the one before it ends up to a cut."""

    module: nn.Module
    shape: tuple[int, ...]
    """Of its output for one image: (C,) or (C, H, W)."""
    identity: bytes
    """Of the plan and the weights from the input up to the cut."""


@dataclass
class Keeper:
    """Where features are kept, and in which type."""

    place: Literal["memory", "disk"]
    half: bool = False
    """Keep float16, which takes half the room and rounds."""
    _held: dict[tuple[Any, ...], Kept] = field(default_factory=dict)

    def find(self, key: tuple[Any, ...]) -> Kept | None:
        """What is kept under a key in this process."""
        return self._held.get(key)

    def forget(self, keys: Collection[tuple[Any, ...]]) -> None:
        """Let go of all but these keys."""
        self._held = {key: kept for key, kept in self._held.items() if key in keys}

    def fill(
        self, loader: Loader, epoch: int, parts: Mapping[tuple[Any, ...], Part], settings: Any, flips: int, run: Runner
    ) -> Iterator[int]:
        """Pass over a loader's images and keep what each part makes of them, under its key. Yields images done.

        What an earlier run left on disk is taken. Images go in the index's order and in batches of one size, so that
        the features are the same bits whenever they are made.
        """
        wanted = {}
        for key, part in parts.items():
            final = self._final(loader, settings, part) if self.place == "disk" else None
            if final is not None and final.is_dir():
                self._held[key] = _open(final)
            else:
                wanted[key] = _Filling(part, len(loader.index), flips, final, half=self.half)
        if not wanted:
            return
        last = max(number for number, key in enumerate(parts) if key in wanted)
        chain = list(parts.items())[: last + 1]
        done = 0
        for batch in loader.epoch(epoch):
            for flip in range(flips):
                x = run.enter(batch.images.flip(3) if flip else batch.images)
                for key, part in chain:
                    x = run.apply(part.module, x)
                    if key in wanted:
                        wanted[key].put(flip, batch.positions, x)
            done += len(batch.labels) + len(batch.unreadable)
            yield done
        for key, filling in wanted.items():
            self._held[key] = filling.finish()

    def _final(self, loader: Loader, settings: Any, part: Part) -> Path:
        """The folder's name: the images, how they are seen, and what the prefix is."""
        digest = hashlib.sha256(json.dumps([_VERSION, settings, self.half, torch.__version__]).encode())
        for position in range(len(loader.index)):
            digest.update(identify(loader.index, position))
        digest.update(part.identity)
        return cache_folder() / "features" / f"archspec-{digest.hexdigest()[:20]}"


@dataclass(frozen=True)
class Runner:
    """How pixels enter a network, and how a part of it runs."""

    enter: Entrance
    autocast: Callable[[], AbstractContextManager[object]]

    def apply(self, module: nn.Module, x: Tensor) -> Tensor:
        with torch.no_grad(), self.autocast():
            y: Tensor = module(x)
        return y


class _Filling:
    """Features on their way into memory or a file."""

    def __init__(self, part: Part, images: int, flips: int, final: Path | None, *, half: bool) -> None:
        shape = (flips, images, *_channels_last(part.shape))
        kind = np.float16 if half else np.float32
        self.final = final
        if final is None:
            self.features = torch.zeros(shape, dtype=torch.float16 if half else torch.float32)
            self.readable = torch.zeros(images, dtype=torch.bool)
            return
        arrays = {FEATURES: (kind, shape), READABLE: (np.bool_, (images,))}
        self.folder = allocate(final, arrays, instead="recipe.features=none")
        self.features, self.readable = _tensors(self.folder, "r+")

    def put(self, flip: int, positions: Tensor, values: Tensor) -> None:
        """Keep values (B, ...) of the images at these positions."""
        if values.ndim == 4:
            values = values.permute(0, 2, 3, 1)
        self.features[flip, positions] = values.to("cpu", self.features.dtype)
        self.readable[positions] = True

    def finish(self) -> Kept:
        """Give a complete file its name."""
        if self.final is None:
            return Kept(self.features, self.readable)
        self.features = self.readable = torch.empty(0)  # some systems rename no file that is in use
        return _open(self.final if give_name(self.folder, self.final) else self.folder)


def _channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[1:], shape[0])


def _tensors(folder: Path, mode: Literal["r+", "c"]) -> tuple[Tensor, Tensor]:
    features, readable = (np.load(folder / name, mmap_mode=mode) for name in (FEATURES, READABLE))
    return torch.from_numpy(features), torch.from_numpy(readable)


def _open(folder: Path) -> Kept:
    return Kept(*_tensors(folder, "c"))  # written to by none, and torch wants it writable
