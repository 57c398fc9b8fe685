"""Reads an image file as pixels of the mode a network takes."""

from __future__ import annotations

import struct
from pathlib import Path

from PIL import Image, ImageOps

from archspec.errors import DataError

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
"""What Pillow raises for a file that is no image, is cut short, or is too large to be one."""


def mode_for(channels: int) -> str:
    """Pillow's mode for a number of channels: 1 is grey, 3 is RGB, 4 is RGBA.

    Raises:
        DataError: images have no such number of channels.

    """
    if channels not in _MODES:
        raise DataError(f"images have 1, 3 or 4 channels, not {channels}", help="set `input.channels` of the spec")
    return _MODES[channels]


def read_image(path: Path, channels: int) -> Image.Image:
    """The image, upright as its EXIF data says, in the mode of `channels`. Transparency is laid on white.

    Raises:
        DataError: the file is no image, or is damaged; it names the file.

    """
    try:
        with Image.open(path) as image:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _convert(image, mode_for(channels))
    except _DAMAGE as error:
        raise unreadable(path, error) from error


def probe_image(path: Path) -> None:
    """Open an image as far as its header, which takes no decoding.

    Raises:
        DataError: the file is no image; it names the file.

    """
    try:
        with Image.open(path):
            pass
    except _DAMAGE as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> DataError:
    """The error of a file that Pillow cannot read."""
    reason = "it is no image that Pillow knows" if type(error).__name__ == "UnidentifiedImageError" else str(error)
    if isinstance(error, FileNotFoundError):
        return DataError(f"there is no image '{path}'", file=path)
    if path.is_file() and path.stat().st_size == 0:
        reason = "it is empty"
    return DataError(f"the image '{path}' cannot be read: {reason}", file=path, help="mend it or take it away")


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a channel: Pillow would clip them instead of scaling
        image = image.convert("I").point(lambda value: value / 257).convert("L")
    if mode != "RGBA" and image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)
