"""Reads an image file as pixels of the mode a network takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageOps

from archspec.data.reading import Reading, Reduction
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
        data = path.read_bytes()
        with warnings.catch_warnings(action="ignore"), Image.open(BytesIO(data)) as image:  # a result, no murmur
            pixels = _decode(image, data, reading.reduction)
            ImageOps.exif_transpose(pixels, in_place=True)
            return convert_image(pixels, reading)
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        raise unreadable(path, error) from error


def _decode(image: Image.Image, data: bytes, reduction: Reduction | None) -> Image.Image:
    """The pixels of an image that is open; a JPEG's may be reduced while they are decoded."""
    if image.format != "JPEG" or image.mode not in ("L", "RGB"):
        image.load()
        return image
    divide = 1 if reduction is None else reduction.denominator(*upright_size(image))
    if (fast := _fast_decoder()) is not None and image.mode == "RGB":
        width, height = (-(-side // divide) for side in image.size)
        try:
            pixels = Image.fromarray(fast(data, "RGB", min_width=width, min_height=height))
        except ValueError:  # what it cannot read, Pillow tries, and tells of
            pass
        else:
            pixels.info = image.info  # with its EXIF data
            return pixels
    if divide > 1:
        image.draft(image.mode, (image.width // divide, image.height // divide))
    image.load()
    return image


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as the EXIF data turns them. The pixels need not be decoded."""
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    return (image.height, image.width) if turned else image.size


@cache
def _fast_decoder() -> Callable[..., Any] | None:
    """simplejpeg's, where it is installed (extra `fast`): the same pixels as Pillow's in two thirds of the time."""
    try:
        decode: Callable[..., Any] = import_module("simplejpeg").decode_jpeg
    except ImportError:
        return None
    return decode


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an upright image, from its header, which takes no decoding.

    Raises:
        DataError: the file is no image; it names the file.

    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            return upright_size(image)
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
    """An image in the mode of a reading: 16 bits are scaled to 8, and transparency is laid on the background.

    Raises:
        ValueError: its values are of 32 bits, whose range nobody knows.

    """
    mode = mode_for(reading.channels)
    if image.mode in ("I", "F"):
        raise ValueError("its values have no known range: they are of 32 bits, not of 8 or 16")
    if image.mode.startswith("I"):  # 16 bits a channel: Pillow would clip them instead of scaling
        image = image.convert("I").point(lambda value: value / 257).convert("L")
    if mode != "RGBA" and image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*reading.background, 255)), image)
    return image if image.mode == mode else image.convert(mode)
