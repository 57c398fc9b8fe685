"""What a command line names: image files, folders of them, and patterns such as 'photos/**/*.jpg'."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from archspec.data.walk import images_below, is_image
from archspec.errors import DataError
from archspec.paths import is_folder

_SHELLS = "a pattern is matched as a shell does, and ** by any folders; hidden files are left out"


def given_images(given: str) -> list[str]:
    """A file as itself, whether it is there or not; a folder as the images below it; a pattern as those it matches.

    Raises:
        DataError: a folder holds no images, or a pattern matches none.

    """
    if is_folder(given):
        return _in_folder(Path(given))
    if glob.has_magic(given) and not os.path.lexists(given):  # a file may be called [1].jpg
        return _matching(given)
    return [str(Path(given))]


def _in_folder(folder: Path) -> list[str]:
    images = [str(folder / name) for name in images_below(folder, folder)]
    if not images:
        raise DataError(f"the folder '{folder}' holds no images", file=folder)
    return images


def _matching(pattern: str) -> list[str]:
    """The images that a pattern matches, and those in folders that it matches, in order and each once."""
    found = sorted(glob.glob(os.path.expanduser(pattern), recursive=True))  # noqa: PTH111, PTH207  # of a pattern, no path
    images = [str(Path(name)) for name in found if is_image(os.path.basename(name)) and not is_folder(name)]  # noqa: PTH119
    if images:
        return images
    if found:
        message = f"the pattern '{pattern}' matches {_count(found)}, and none is an image by its name"
        raise DataError(message, file=pattern, help="name a file without a pattern, and it is tried whatever its name")
    raise DataError(f"the pattern '{pattern}' matches nothing", file=pattern, help=_SHELLS)


def _count(found: list[str]) -> str:
    return "1 file or folder" if len(found) == 1 else f"{len(found):,} files or folders"
