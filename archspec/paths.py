"""Questions about paths that never raise: a name that is too long, or may not be looked at, is not there."""

from __future__ import annotations

import os
from pathlib import Path


def is_file(path: Path | str) -> bool:
    """Whether a file is there and may be looked at."""
    return os.path.isfile(path)  # noqa: PTH113  # Path.is_file raises for a name that is too long


def is_folder(path: Path | str) -> bool:
    """Whether a folder is there and may be looked at."""
    return os.path.isdir(path)  # noqa: PTH112


def existing_folder(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
