"""Which files below a folder are images, and which folders count."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from archspec.errors import DataError

_KNOWN = (
    "jpg jpeg jpe jfif jif mpo png apng webp avif avifs heic heif jxl gif bmp dib tif tiff jp2 j2k j2c jpc jpf jpx "
    "ppm pgm pbm pnm pfm tga icb vda vst pcx dcx ico icns cur sgi rgb rgba bw dds psd qoi xbm xpm msp blp fli flc"
)
SUFFIXES = tuple(f".{suffix}" for suffix in _KNOWN.split(" "))
"""What image files end in, in any case. One that Pillow cannot read is told when it is opened, never left out."""

_OF_THE_SYSTEM = {"thumbs.db", "__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"}
"""Files and folders that Windows, macOS and network drives leave behind."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or one that a system leaves behind."""
    return name.startswith(".") or name.lower() in _OF_THE_SYSTEM


def is_image(name: str) -> bool:
    """Whether a file of this name counts as an image."""
    return name.lower().endswith(SUFFIXES) and not is_hidden(name)


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder, in order; hidden ones are left out.

    Raises:
        DataError: it cannot be read.

    """
    return [Path(entry.path) for entry in _entries(os.fspath(folder)) if _leads_to_folder(entry)]


def count_loose_images(folder: Path) -> int:
    """The images that lie in a folder itself.

    Raises:
        DataError: it cannot be read.

    """
    return sum(is_image(entry.name) and not _leads_to_folder(entry) for entry in _entries(os.fspath(folder)))


def images_below(folder: Path, root: Path) -> Iterator[str]:
    """The images below a folder, links followed, in order, as paths below `root`.

    Raises:
        DataError: a folder cannot be read, or a link leads back to a folder that holds it.

    """
    yield from _images(os.fspath(folder), os.path.relpath(folder, root), (os.path.realpath(folder),))


def _images(folder: str, below: str, above: tuple[str, ...]) -> Iterator[str]:
    """`above` are the folders on the way here, links resolved, this one last."""
    folders = []
    for entry in _entries(folder):
        if _leads_to_folder(entry):
            folders.append(entry)
        elif is_image(entry.name):
            yield f"{below}{os.sep}{entry.name}"
    for entry in folders:
        real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(above[-1], entry.name)  # noqa: PTH118
        if real in above:
            message = f"the link '{entry.path}' leads back to a folder that holds it"
            raise DataError(message, file=entry.path, help="take it away, or name it with a dot in front")
        yield from _images(entry.path, f"{below}{os.sep}{entry.name}", (*above, real))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not is_hidden(e.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"the folder '{error.filename}' cannot be read: {error.strerror}", file=folder) from error


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
