"""The course of a number over a run, in a few characters."""

from __future__ import annotations

import math
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-~=+*#"
_MOST = 256
"""So many values are kept. Beyond, each stands for the mean of twice as many numbers as before."""


class Course:
    """Numbers without end, kept as a bounded row of means."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._each = 1
        self._sum, self._count = 0.0, 0

    def add(self, number: float) -> None:
        """Note a number. One that is not finite has no place in a picture."""
        if not math.isfinite(number):
            return
        self._sum, self._count = self._sum + number, self._count + 1
        if self._count < self._each:
            return
        self.values.append(self._sum / self._count)
        self._sum, self._count = 0.0, 0
        if len(self.values) == _MOST:
            self.values = _means(self.values, _MOST // 2)
            self._each *= 2

    def draw(self, width: int, levels: str = BLOCKS) -> str:
        """The course from first to last in at most so many characters, the lowest and the highest being of `levels`."""
        cells = _means(self.values, min(width, len(self.values)))
        if not cells:
            return ""
        least, most = min(cells), max(cells)
        scale = (len(levels) - 1) / (most - least) if most > least else 0.0
        return "".join(levels[round((cell - least) * scale)] for cell in cells)


def _means(values: list[float], count: int) -> list[float]:
    """The values in so many stretches, each its mean."""
    borders = [len(values) * number // count for number in range(count + 1)] if count else []
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(borders)]
