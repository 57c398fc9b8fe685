"""What one image is: its size, kind, colours and fingerprints. Of every image, some 500 bytes are kept."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageChops

from archspec.data.fingerprint import BLANK, SIDE, TINTS, perceptual_hash, small_picture, thumbnail
from archspec.data.index import ImageIndex
from archspec.data.reading import Reading
from archspec.errors import DataError

LOOK = np.dtype(
    [
        ("number", np.int64),  # its position in the index
        ("readable", bool),  # where not, nothing below is known
        ("width", np.uint32),  # upright, as EXIF says
        ("height", np.uint32),
        ("mode", "S8"),  # Pillow's, in the file
        ("format", "S8"),  # Pillow's; empty where an image has no file of its own
        ("misnamed", bool),  # the suffix is another format's
        ("rotated", bool),  # EXIF turns or mirrors it
        ("frames", bool),  # there are several, or pages, and the first is taken
        ("grey", bool),  # red, green and blue are the same everywhere
        ("blank", bool),  # of one colour, or nearly
        ("mean", np.float64, 3),  # of all its pixels, from 0 to 1: red, green, blue
        ("square", np.float64, 3),  # the mean of their squares
        ("pixels", np.uint64, 2),  # half a SHA-256 of size and pixels
        ("hash", np.uint64),
        ("mirrored", np.uint64),  # the hash of its mirror image
        ("picture", np.uint8, (SIDE, SIDE)),
        ("tints", np.int8, (2, TINTS, TINTS)),
    ]
)
READING = Reading(channels=3)
"""RGB, with transparency laid on white: what a network is most often given."""
_LEVELS = np.arange(256) / 255
_SAME_FORMAT = {"MPO": "JPEG", "DIB": "BMP"}
"""A phone's photo with a preview behind it is a JPEG to everyone."""


@dataclass(frozen=True)
class Looks:
    """Some images: an array of `LOOK`, and why those that cannot be read cannot, by number."""

    rows: np.ndarray
    reasons: dict[int, str]


def look_at(index: ImageIndex, numbers: Iterable[int]) -> Looks:
    """Read images whole, one after another, and keep what tells them apart."""
    rows, reasons = [], {}
    for number in numbers:
        row = np.zeros((), LOOK)
        row["number"] = number
        try:
            image = index.read(number, READING)
        except DataError as error:
            reasons[number] = error.message
        else:
            row["readable"] = True
            row["mode"] = b"RGB"
            _describe(row, image)
            _describe_file(row, index.file(number))
        rows.append(row)
    return Looks(np.stack(rows) if rows else np.zeros(0, LOOK), reasons)


def _describe(row: np.ndarray, image: Image.Image) -> None:
    """What the pixels say."""
    row["width"], row["height"] = image.size
    shares = np.array(image.histogram()).reshape(3, 256) / (image.width * image.height)
    row["mean"], row["square"] = shares @ _LEVELS, shares @ _LEVELS**2
    row["grey"] = _is_grey(image, shares)
    digest = hashlib.sha256(b"%d %d " % image.size + image.tobytes()).digest()
    row["pixels"] = np.frombuffer(digest[:16], np.uint64)
    grey, row["tints"] = small_picture(image)
    row["picture"] = thumbnail(grey)
    row["blank"] = row["picture"].std() < BLANK
    row["hash"], row["mirrored"] = perceptual_hash(grey), perceptual_hash(grey[:, ::-1])


def _is_grey(image: Image.Image, shares: np.ndarray) -> bool:
    if not (shares == shares[0]).all():
        return False
    red, green, blue = image.split()
    return all(ImageChops.difference(red, other).getbbox() is None for other in (green, blue))


def _describe_file(row: np.ndarray, path: Path | None) -> None:
    """What the file's header says; an image without a file has the mode that its pixels have."""
    if path is None:
        row["mode"] = b"L" if row["grey"] else b"RGB"
        return
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            name = image.format or ""
            row["mode"], row["format"] = image.mode.encode(), name.encode()
            row["frames"] = name not in _SAME_FORMAT and getattr(image, "is_animated", False)
            if name != "PNG" or "exif" in image.info:  # Pillow decodes a whole PNG to learn that it has no EXIF
                row["rotated"] = image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
            expected = _formats().get(path.suffix.lower(), name)
            row["misnamed"] = _SAME_FORMAT.get(expected, expected) != _SAME_FORMAT.get(name, name)
    except Exception:  # a plugin may read what Pillow cannot, and the pixels are known by now
        row["mode"] = b"RGB"


@cache
def _formats() -> dict[str, str]:
    """The format that Pillow takes a suffix for, as in {".jpg": "JPEG"}."""
    return Image.registered_extensions()
