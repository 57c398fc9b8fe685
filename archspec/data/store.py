"""A store: images decoded once, kept as bytes in one memory-mapped file that survives restarts.

A store remembers what a function makes of each image; with it and without it, the same pixels come out. It is filled
while the first epoch reads the images, and gets its name when it is complete, so a half-written one is never used. That
name holds the settings, and each file's name, size and time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from archspec.data.index import ImageIndex
from archspec.errors import DataError

_VERSION = 2
_MISSING, _KEPT, _REFUSED = 0, 1, 2
"""The state of an image: not yet read, in the file, or unreadable and asked for anew each time."""

Shape = tuple[int, int, int]
"""Height, width, channels."""


def cache_folder() -> Path:
    """Where stores lie: in $ARCHSPEC_CACHE, or `archspec` in the user's cache folder."""
    chosen = os.environ.get("ARCHSPEC_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(chosen) if chosen else home / "archspec"


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
        key.update(_identity(index, position))
    key.update(shapes.tobytes())
    shared = Path("/dev/shm")  # a folder in memory, on Linux
    memory = shared if shared.is_dir() else Path(tempfile.gettempdir())
    folder = memory if in_memory else cache_folder() / "images"
    return StorePlan(folder / f"archspec-{key.hexdigest()[:20]}", shapes, in_memory)


def _identity(index: ImageIndex, position: int) -> bytes:
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
        self.path = plan.path if plan.complete and not plan.temporary else _allocate(plan)
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
        try:
            self.path.rename(self.final)
        except OSError:  # another run was first, or the system renames no folder that is in use: it is made again
            return
        self.path = self.final


def _allocate(plan: StorePlan) -> Path:
    """A new folder for a store that is to be filled, with its space on disk reserved.

    Raises:
        DataError: there is not enough space, or the folder cannot be written.

    """
    try:
        plan.path.parent.mkdir(parents=True, exist_ok=True)
        _forget_the_dead(plan.path.parent)
        prefix = f"{plan.path.name}.{os.getpid()}."
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=_FILLING, dir=plan.path.parent))
    except OSError as error:
        raise DataError(f"the cache folder '{plan.path.parent}' cannot be written: {error.strerror}") from error
    try:
        for name, count in (("pixels.npy", plan.bytes), ("state.npy", len(plan.shapes))):
            open_memmap(folder / name, mode="w+", dtype=np.uint8, shape=(count,))
            _reserve(folder / name)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        message = f"the cache needs {plan.bytes / 1e6:,.0f} MB in '{plan.path.parent}': {error.strerror or error}"
        help = "make room, set ARCHSPEC_CACHE to a folder elsewhere, or train with `recipe.cache=none`"
        raise DataError(message, help=help) from error
    return folder


def _reserve(file: Path) -> None:
    """Reserve a file's space now: a full disk under a memory map kills the process instead of raising an error."""
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)


_FILLING = ".filling"


def _forget_the_dead(folder: Path) -> None:
    """Take away what killed processes left half filled."""
    for left in folder.glob(f"archspec-*{_FILLING}"):
        owner = left.name.split(".")[1]
        if owner.isdecimal() and not _is_alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
