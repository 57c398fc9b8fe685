"""How an image file becomes pixels: in which mode, and how small it may be made before anything is cut out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Reduction:
    """How small an image may be made before a part of it is cut out and resized.

    A part that would have been made smaller is enlarged 1.5 times at most, and one that is enlarged anyway at most 1.5
    times as much.
    """

    size: tuple[int, int]
    """Height and width that the part is resized to."""
    area: float = 1.0
    """The least share of the image that is cut out."""
    ratio: tuple[float, float] | None = None
    """The part's width over its height, least and most; None is the image's own."""
    enlargement: ClassVar[float] = 1.5

    def least(self, width: int, height: int) -> tuple[int, int]:
        """The smallest width and height that an image of this size may be given: all of it, or a smaller copy."""
        narrow, wide = self.ratio or (width / height, width / height)
        area = self.area * width * height
        narrowest, lowest = math.sqrt(area * narrow), math.sqrt(area / wide)
        share = max(self.size[1] / narrowest, self.size[0] / lowest) / self.enlargement
        if share >= 1:
            return width, height
        return math.ceil(width * share), math.ceil(height * share)

    def denominator(self, width: int, height: int) -> int:
        """By how much a JPEG decoder may divide the sides: the rest stays at least twice the size the network sees."""
        least_width, least_height = self.least(width, height)
        wanted = max(least_width, 2 * self.size[1]), max(least_height, 2 * self.size[0])
        fits = (d for d in (8, 4, 2) if width // d >= wanted[0] and height // d >= wanted[1])
        return next(fits, 1)


@dataclass(frozen=True)
class Reading:
    """How an image becomes pixels: grey (1 channel), RGB (3) or RGBA (4), and what shows through transparency."""

    channels: int
    background: tuple[int, int, int] = (255, 255, 255)
    """Red, green and blue under what is transparent, where the network has no channel for it."""
    reduction: Reduction | None = None
    """How small a JPEG may be decoded; None decodes it in full, as evaluation does."""
