"""Numbers as people read them."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """`1 epoch`, `2 epochs`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def human(number: float) -> str:
    """1814073344 -> `1.81 G`."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:g}"
