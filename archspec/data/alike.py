"""Finds images that look the same among many: hashes that differ in few bits, confirmed by small pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from archspec.data.fingerprint import correlation, tint_difference

MOST_BITS = 7
"""Bits of 64 in which the hashes of alike images may differ."""
CORRELATION = 0.99
"""How much their small pictures must correlate. Photos of two shirts in one pose stay below 0.985; copies in another
size, compression or contrast are above 0.99."""
TINT = 0.6
"""By what share their tints may differ. A grey copy of a coloured image is a copy."""
_WINDOW = 32
"""An image is compared with the nearest this many on either side, of those that share a band of its hash."""
_AT_ONCE = 1 << 20
"""Hashes compared at once: some 50 MB."""
_PICTURES_AT_ONCE = 1 << 14
"""Pictures compared at once: some 50 MB."""
_BANDS, _FLIPS = 4, (0, *(1 << bit for bit in range(48, 64)))
_BEHIND = np.uint64(48)
"""Bits behind the band in front."""
_BITS = np.array([number.bit_count() for number in range(1 << 16)], dtype=np.uint8)


@dataclass(frozen=True)
class AlikePairs:
    """For each row the most alike of the rows before it, one in each split, where there is one that looks the same."""

    first: np.ndarray
    second: np.ndarray
    """The row that comes later."""
    mirrored: np.ndarray
    """Whether one is the other's mirror image."""
    similarity: np.ndarray
    complete: bool
    """Whether every pair that had to be compared was: where very many are alike, the nearest are."""


def find_alike(rows: np.ndarray, splits: np.ndarray) -> AlikePairs:
    """The pairs of `LOOK` rows that look the same, as they are or one of them mirrored; `splits` are small numbers."""
    shape = len(rows), int(splits.max(initial=0)) + 1
    plain, mirrored = _Best(shape), _Best(shape)
    complete = _search(rows, splits, "hash", plain)
    complete &= _search(rows, splits, "mirrored", mirrored)
    turned = (plain.other < 0) & (mirrored.other >= 0)  # what is alike both ways is not called mirrored
    other = np.where(turned, mirrored.other, plain.other)
    second, split = np.nonzero(other >= 0)
    similarity = np.where(turned, mirrored.similarity, plain.similarity)
    return AlikePairs(other[second, split], second, turned[second, split], similarity[second, split], complete)


class _Best:
    """For each row and split, the most alike row before it, or -1."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.other = np.full(shape, -1, dtype=np.int64)
        self.similarity = np.zeros(shape, dtype=np.float32)

    def offer(self, query: np.ndarray, split: np.ndarray, other: np.ndarray, similarity: np.ndarray) -> None:
        order = np.lexsort((-similarity, split, query))
        query, split, other, similarity = query[order], split[order], other[order], similarity[order]
        better = similarity > self.similarity[query, split]
        better[1:] &= (query[1:] != query[:-1]) | (split[1:] != split[:-1])
        self.other[query[better], split[better]] = other[better]
        self.similarity[query[better], split[better]] = similarity[better]


def _search(rows: np.ndarray, splits: np.ndarray, queries: str, best: _Best) -> bool:
    """Look the queries up among the rows' hashes; returns whether all that had to be compared was.

    Two hashes that differ in 7 bits at most agree, in one of 4 bands of 16 bits, but for one bit at most. So each is
    looked up under its own bands and under those with one bit flipped, and never compared with all others.
    """
    complete = True
    for band in range(_BANDS):
        turned, asked = _turn(rows["hash"], band), _turn(rows[queries], band)
        order = np.argsort(turned, kind="stable")
        ordered = turned[order]
        for flip in _FLIPS:
            starts, ends, whole = _windows(ordered, asked ^ np.uint64(flip))
            complete &= whole
            for query, place in _pairs(starts, ends):
                earlier = order[place] < query
                query, other = query[earlier], order[place[earlier]]
                near = _first_found(asked[query] ^ turned[other], band)
                _confirm(rows, splits, query[near], other[near], best, mirrored=queries == "mirrored")
    return complete


def _turn(hashes: np.ndarray, band: int) -> np.ndarray:
    """The hashes with a band's bits in front, and those of the bands before it at the end."""
    shift = np.uint64(16 * band)
    return hashes.copy() if band == 0 else (hashes << shift) | (hashes >> (np.uint64(64) - shift))


def _windows(ordered: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Where the hashes that share a query's band start and end, the nearest alone where they are many."""
    borders = np.searchsorted(ordered >> _BEHIND, np.arange((1 << 16) + 1, dtype=np.uint64))
    keys = (queries >> _BEHIND).astype(np.int64)
    starts, ends = borders[keys], borders[keys + 1]
    crowded = np.flatnonzero(ends - starts > 2 * _WINDOW)
    own = np.searchsorted(ordered, queries[crowded])
    starts[crowded] = np.maximum(starts[crowded], own - _WINDOW)
    ends[crowded] = np.minimum(ends[crowded], own + _WINDOW)
    return starts, ends, not len(crowded)


def _pairs(starts: np.ndarray, ends: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(query, place) for every place from a query's start to its end, a million at a time."""
    counts = ends - starts
    totals = np.concatenate([[0], np.cumsum(counts)])
    at = 0
    while at < len(counts):
        until = max(at + 1, int(np.searchsorted(totals, totals[at] + _AT_ONCE, side="right")) - 1)
        taken = counts[at:until]
        offset = np.repeat(totals[at:until] - starts[at:until], taken)
        yield np.repeat(np.arange(at, until), taken), np.arange(totals[at], totals[until]) - offset
        at = until


def _first_found(differing: np.ndarray, band: int) -> np.ndarray:
    """Whether few bits differ, and the bands before this one, which lie at the end, would not have found it."""
    found: np.ndarray = _BITS[differing.view(np.uint16)].reshape(-1, _BANDS).sum(1) <= MOST_BITS
    for before in range(band):
        shift = np.uint64(16 * (band - 1 - before))
        found &= _BITS[(differing >> shift) & np.uint64(0xFFFF)] > 1
    return found


def _confirm(
    rows: np.ndarray, splits: np.ndarray, query: np.ndarray, other: np.ndarray, best: _Best, *, mirrored: bool
) -> None:
    """Offer those pairs that small pictures and tints confirm."""
    for at in range(0, len(query), _PICTURES_AT_ONCE):
        ours, theirs = (rows[chosen[at : at + _PICTURES_AT_ONCE]] for chosen in (query, other))
        turn = -1 if mirrored else 1
        similarity = correlation(ours["picture"][:, :, ::turn], theirs["picture"])
        tinted = tint_difference(ours["tints"][..., ::turn], theirs["tints"]) > TINT
        same = (similarity >= CORRELATION) & (ours["grey"] | theirs["grey"] | ~tinted)
        chosen, found = query[at : at + len(same)][same], other[at : at + len(same)][same]
        best.offer(chosen, splits[found], found, similarity[same])
