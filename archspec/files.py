"""Files that appear whole or not at all: written beside, flushed to the disk, renamed."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


def write_text(path: Path, text: str) -> None:
    """Replace a file's text."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file's content."""
    beside = path.with_name(f".{path.name}.writing")
    try:
        with beside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(OSError):  # where the folder is read-only, so is this
            beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, or leave the file as it is where that fails, as on a full disk."""
    before = path.stat().st_size if path.exists() else 0
    try:
        with path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(f"{line}\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        with suppress(OSError):
            os.truncate(path, before)
        raise


@contextmanager
def writing(path: Path) -> Iterator[TextIO]:
    """A file to write text to, which takes its place when the block ends well."""
    beside = path.with_name(f".{path.name}.writing")
    try:
        with beside.open("w", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sha256(path: Path) -> str:
    """The file's SHA-256 as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file to the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def sync_folder(path: Path) -> None:
    """Flush a folder's names to the disk, where the system can: Windows cannot, and need not."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def before(target: Path) -> Path:
    """Where the content of a folder is that another one takes the place of."""
    return target.with_name(f"{target.name}.before")


def replace_folder(new: Path, target: Path, *, keep_before: bool = False) -> None:
    """Put a complete folder in the place of `target`, whose old content goes last, or is kept beside it.

    Between the two renames there is no `target`; `find_folder` and `restore_folder` know where it is then.
    """
    old = before(target)
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
    new.rename(target)
    sync_folder(target.parent)
    if not keep_before:
        shutil.rmtree(old, ignore_errors=True)


def find_folder(target: Path) -> Path | None:
    """Where the content of `target` is, for one who only reads: in its place, or beside it for a moment."""
    return next((folder for folder in (target, before(target)) if folder.is_dir()), None)


def restore_folder(target: Path, *, keep_before: bool = False) -> None:
    """Undo a `replace_folder` that was cut short. Only for the one process that writes there."""
    old = before(target)
    if not target.exists() and old.exists():
        old.rename(target)
    if not keep_before:
        shutil.rmtree(old, ignore_errors=True)
