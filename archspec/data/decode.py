"""Reads an image file as pixels of the mode a network takes."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, ImageOps

from archspec.data.preprocessing import Reading
from archspec.errors import DataError

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def mode_for(channels: int) -> str:
    """Pillow's mode for a number of channels: 1 is grey, 3 is RGB, 4 is RGBA.

    Raises:
        DataError: images have no such number of channels.

    """
    if channels not in _MODES:
        raise DataError(f"images have 1, 3 or 4 channels, not {channels}", help="change the spec's `input.channels`")
    return _MODES[channels]


def read_image(path: Path, reading: Reading) -> Image.Image:
    """The image, upright as its EXIF data says, in the mode of the reading.

    Raises:
        DataError: the file is no image, or is damaged; it names the file.

    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:  # a result or an error, no murmur
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return convert_image(image, reading)
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise unreadable(path, error) from error


def probe_image(path: Path) -> None:
    """Open an image as far as its header, which takes no decoding.

    Raises:
        DataError: the file is no image; it names the file.

    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path):
            pass
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> DataError:
    """The error of a file that Pillow cannot read."""
    reason = "it is no image that Pillow knows" if type(error).__name__ == "UnidentifiedImageError" else str(error)
    if isinstance(error, FileNotFoundError):
        return DataError(f"there is no image '{path}'", file=path)
    if path.is_file() and path.stat().st_size == 0:
        reason = "it is empty"
    return DataError(f"the image '{path}' cannot be read: {reason}", file=path, help="mend it or take it away")


def convert_image(image: Image.Image, reading: Reading) -> Image.Image:
    """An image in the mode of a reading: 16 bits are scaled to 8, and transparency is laid on the background."""
    mode = mode_for(reading.channels)
    if image.mode.startswith("I"):  # 16 bits a channel: Pillow would clip them instead of scaling
        image = image.convert("I").point(lambda value: value / 257).convert("L")
    if mode != "RGBA" and image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*reading.background, 255)), image)
    return image if image.mode == mode else image.convert(mode)
