"""A store: images decoded once, kept as bytes in one memory-mapped file that survives restarts.

A store remembers what a function makes of each image; with it and without it, the same pixels come out. It is filled
while the first epoch reads the images, and gets its name when it is complete, so a half-written one is never used. That
name holds the settings, and each file's name, size and time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archspec.data.arrays import allocate, cache_folder, give_name
from archspec.data.index import ImageIndex
from archspec.errors import DataError

_VERSION = 2
_MISSING, _KEPT, _REFUSED = 0, 1, 2
"""The state of an image: not yet read, in the file, or unreadable and asked for anew each time."""

Shape = tuple[int, int, int]
"""Height, width, channels."""


@dataclass(frozen=True)
class StorePlan:
    """A store before it is made: where, and how large."""

    path: Path
    shapes: np.ndarray
    """(N, 3): height, width and channels of each image; zeros for one that cannot be read."""
    temporary: bool
    """Whether it lies in memory, for this run alone."""

    @property
    def bytes(self) -> int:
        return int(self.shapes.prod(1).sum())

    @property
    def complete(self) -> bool:
        """Whether an earlier run has made it."""
        return self.path.is_dir()


def plan_store(
    index: ImageIndex, settings: Any, shape: Callable[[int, int], Shape], *, in_memory: bool, skip_unreadable: bool
) -> StorePlan:
    """The store of an index. `shape` says what is kept of an image of a width and a height; `settings` are JSON.

    Raises:
        DataError: an image's header cannot be read.

    """
    shapes = np.zeros((len(index), 3), dtype=np.int64)
    key = hashlib.sha256(json.dumps([_VERSION, settings]).encode())
    for position in range(len(index)):
        try:
            shapes[position] = shape(*index.size(position))
        except DataError:
            if not skip_unreadable:
                raise
        key.update(identify(index, position))
    key.update(shapes.tobytes())
    shared = Path("/dev/shm")  # a folder in memory, on Linux
    memory = shared if shared.is_dir() else Path(tempfile.gettempdir())
    folder = memory if in_memory else cache_folder() / "images"
    return StorePlan(folder / f"archspec-{key.hexdigest()[:20]}", shapes, in_memory)


def identify(index: ImageIndex, position: int) -> bytes:
    """What tells an image from one that may stand in its place later."""
    name, file = index.name(position), index.file(position)
    there = file.stat() if file is not None and file.is_file() else None
    stamp = f"{name}\0{there.st_size}\0{there.st_mtime_ns}\0" if there else f"{name}\0"
    return stamp.encode("utf-8", "surrogateescape")


class Store:
    """The memory-mapped file of a plan, open in this process. Loader processes open it for themselves."""

    def __init__(self, plan: StorePlan) -> None:
        self.shapes = plan.shapes
        self.final = plan.path
        found = plan.complete and not plan.temporary
        arrays = {"pixels.npy": (np.uint8, (plan.bytes,)), "state.npy": (np.uint8, (len(plan.shapes),))}
        self.path = plan.path if found else allocate(plan.path, arrays, instead="recipe.cache=none")
        if plan.temporary:
            self._finalizer = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        self.temporary = plan.temporary
        self._open()

    def _open(self) -> None:
        self._sealing: threading.Thread | None = None
        self.starts = np.concatenate([[0], np.cumsum(self.shapes.prod(1))])
        filling = self.path != self.final
        self.pixels = np.load(self.path / "pixels.npy", mmap_mode="r+" if filling else "r")
        self.state = np.load(self.path / "state.npy", mmap_mode="r+" if filling else "r")

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("shapes", "final", "path", "temporary")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def read(self, position: int, make: Callable[[int], np.ndarray]) -> np.ndarray:
        """The pixels of an image (H, W, C), made and kept where they are not there yet.

        Raises:
            DataError: the image cannot be read.

        """
        shape = tuple(self.shapes[position])
        place = slice(self.starts[position], self.starts[position + 1])
        if self.state[position] == _KEPT:
            kept: np.ndarray = self.pixels[place].reshape(shape)
            return kept
        writable = self.state.flags.writeable
        try:
            made = make(position)
        except DataError:
            if writable:
                self.state[position] = _REFUSED
            raise
        assert made.shape == shape, "what is kept of an image has the shape that was planned"
        if writable:
            self.pixels[place] = made.reshape(-1)
            self.state[position] = _KEPT
        return made

    def settle(self, make: Callable[[int], np.ndarray]) -> None:
        """Give a store its name, once each image was read; the few that an epoch leaves out are read here."""
        if self.path == self.final or self.temporary or self._sealing is not None:
            return
        missing = np.flatnonzero(self.state == _MISSING)
        if len(missing) > max(2, len(self.state) // 100):
            return
        for position in missing.tolist():
            try:
                self.read(position, make)
            except DataError:
                continue
        self._sealing = threading.Thread(target=self._seal)  # a disk takes its time, and training need not wait
        self._sealing.start()

    def _seal(self) -> None:
        self.pixels.flush()
        self.state.flush()
        if give_name(self.path, self.final):
            self.path = self.final
