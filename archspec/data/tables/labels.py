"""The classes that labels make."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection
from itertools import pairwise

from archspec.data.tables.values import as_number

_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")


def sort_classes(names: Collection[str]) -> list[str]:
    """Class names in order: as numbers where all are whole numbers, else as text."""
    if all(map(_WHOLE.fullmatch, names)):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def find_measurement(names: Collection[str]) -> str | None:
    """A number that is not whole, where all labels are numbers: a quantity, not the name of a class."""
    if any(as_number(name) is None for name in names):
        return None
    return next((name for name in names if not _WHOLE.fullmatch(name)), None)


def threshold_classes(thresholds: tuple[float, ...]) -> list[str]:
    """The names of the classes that thresholds make: (1.5, 3) -> `<1.5`, `1.5 to 3`, `>=3`."""
    bounds = [f"{bound:.12g}" for bound in thresholds]
    return [f"<{bounds[0]}", *(f"{low} to {high}" for low, high in pairwise(bounds)), f">={bounds[-1]}"]


def threshold_class(number: float, thresholds: tuple[float, ...]) -> int:
    """The place of the class that a number falls in; a threshold belongs to the class above it."""
    return bisect_right(thresholds, number)
