"""Files that appear whole or not at all: written beside, flushed to the disk, renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from archspec.errors import RunError


def write_text(path: Path, text: str) -> None:
    """Replace a file's text."""
    beside = path.with_name(f".{path.name}.writing")
    with beside.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)


def write_json(path: Path, content: Any) -> None:
    """Replace a file by a JSON document."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The JSON document in a file.

    Raises:
        RunError: there is no such file, or it holds no JSON.

    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"there is no file '{path}'") from None
    except (OSError, ValueError) as error:
        raise RunError(f"'{path}' is damaged: {error}") from error


def sha256(path: Path) -> str:
    """The file's SHA-256 as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file to the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def replace_folder(new: Path, target: Path) -> None:
    """Put a complete folder in the place of `target`, whose old content goes last.

    A kill between the two renames leaves `new` complete and no `target`; `restore_folder` ends that move.
    """
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def restore_folder(new: Path, target: Path) -> None:
    """End a `replace_folder` that was cut short."""
    old = target.with_name(f".{target.name}.old")
    if not target.exists() and old.exists():
        (new if new.exists() else old).rename(target)
    shutil.rmtree(old, ignore_errors=True)
