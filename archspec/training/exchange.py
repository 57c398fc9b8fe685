"""Several files of a folder are replaced together, or none of them is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from archspec.files import sync_folder, write_text
from archspec.paths import is_file

_NEW = ".new"


def current(folder: Path, name: str) -> Path:
    """Where the content of a file is, for one who only reads: beside it where a replacement was cut short."""
    new = folder / _NEW / name
    return new if is_file(new) else folder / name


def replace_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Put texts in the place of files. They count from one rename on; what is cut short after it is finished later."""
    writing = folder / f"{_NEW}.writing"
    shutil.rmtree(writing, ignore_errors=True)
    try:
        writing.mkdir()
        for name, text in texts.items():
            write_text(writing / name, text)
        writing.rename(folder / _NEW)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    sync_folder(folder)
    finish_replacing(folder)


def finish_replacing(folder: Path) -> None:
    """Go on with a replacement that was cut short. Only for the one process that writes there."""
    new = folder / _NEW
    shutil.rmtree(folder / f"{_NEW}.writing", ignore_errors=True)  # which does not count yet
    if not new.is_dir():
        return
    for path in sorted(new.iterdir()):
        path.replace(folder / path.name)
    sync_folder(folder)
    new.rmdir()
