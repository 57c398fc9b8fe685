"""Folders of arrays in the cache: each gets its name when it is complete, so a half-written one is never used."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.lib.format import open_memmap

from archspec.errors import DataError

_FILLING = ".filling"


def cache_folder() -> Path:
    """Where the cache lies: in $ARCHSPEC_CACHE, or `archspec` in the user's cache folder."""
    chosen = os.environ.get("ARCHSPEC_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(chosen) if chosen else home / "archspec"


def allocate(final: Path, arrays: Mapping[str, tuple[Any, tuple[int, ...]]], *, instead: str) -> Path:
    """A new folder beside `final`, of arrays of zeros by (type, shape), with their space on disk reserved.

    `instead` is the setting that does without them.

    Raises:
        DataError: there is not enough space, or the folder cannot be written.

    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _forget_the_dead(final.parent)
        folder = Path(tempfile.mkdtemp(prefix=f"{final.name}.{os.getpid()}.", suffix=_FILLING, dir=final.parent))
    except OSError as error:
        raise DataError(f"the cache folder '{final.parent}' cannot be written: {error.strerror}") from error
    try:
        for name, (kind, shape) in arrays.items():
            open_memmap(folder / name, mode="w+", dtype=kind, shape=shape)
            _reserve(folder / name)
    except OSError as error:
        wanted = sum(path.stat().st_size for path in folder.iterdir())
        shutil.rmtree(folder, ignore_errors=True)
        message = f"the cache needs {wanted / 1e6:,.0f} MB in '{final.parent}': {error.strerror or error}"
        help = f"make room, set ARCHSPEC_CACHE to a folder elsewhere, or train with `{instead}`"
        raise DataError(message, help=help) from error
    return folder


def give_name(folder: Path, final: Path) -> bool:
    """Give a complete folder its name; says whether it has it.

    Another run may have been first, and some systems rename no folder that is in use: then it is made again.
    """
    try:
        folder.rename(final)
    except OSError:
        return False
    return True


def _reserve(file: Path) -> None:
    """Reserve a file's space now: a full disk under a memory map kills the process instead of raising an error."""
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)


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
