"""Which images a gallery shows, and their thumbnails as text that a page can hold."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from archspec.data.index import ImageIndex
from archspec.data.inspection import Inspection
from archspec.data.look import READING
from archspec.errors import DataError

MOST_PICTURES = 2_000
"""Of all classes together: some 12 MB."""
MOST_PAIRS = 48
"""Of copies, leaks first."""
_SIDE = 216
"""Pixels of a thumbnail's longer side; screens of high density show it at half of that."""
_TINY = 64


@dataclass(frozen=True)
class Picture:
    """A thumbnail as a data URI."""

    source: str
    width: int
    height: int
    tiny: bool
    """Whether the image itself is so small that its pixels should be seen."""


def choose_images(index: ImageIndex, inspection: Inspection, per_class: int) -> dict[int, list[int]]:
    """{class: numbers of some of its images}, evenly over its images of all splits, in their order."""
    most = min(per_class, max(1, MOST_PICTURES // len(inspection.classes)))
    chosen = {}
    for label in range(min(len(inspection.classes), MOST_PICTURES)):
        numbers = np.flatnonzero(index.labels == label)
        places = np.linspace(0, len(numbers) - 1, min(most, len(numbers)))
        chosen[label] = numbers[places.round().astype(int)].tolist()
    return chosen


def numbers_of_pairs(inspection: Inspection) -> list[int]:
    """The images of the copies that a gallery shows."""
    return [copy.number for pair in inspection.duplicates.pairs[:MOST_PAIRS] for copy in (pair.first, pair.second)]


def make_pictures(index: ImageIndex, numbers: Iterable[int]) -> Iterator[tuple[int, Picture | None]]:
    """(number, thumbnail) of each image; None where it cannot be read."""
    for number in numbers:
        try:
            yield number, _shrink(index.read(number, READING))
        except DataError:
            yield number, None


def _shrink(image: Image.Image) -> Picture:
    tiny = max(image.size) <= _TINY
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    if tiny:
        image.save(stream, "PNG")
    else:
        image.save(stream, "JPEG", quality=78, optimize=True)
    text = base64.b64encode(stream.getvalue()).decode()
    return Picture(f"data:image/{'png' if tiny else 'jpeg'};base64,{text}", *image.size, tiny)
