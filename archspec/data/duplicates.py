"""Which images of a data set are copies of others, in every pixel or to the eye, within and across splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from archspec.data.alike import find_alike
from archspec.data.index import ImageIndex

MOST_PAIRS = 10_000
"""Pairs that are listed, leaks first; all are counted."""


@dataclass(frozen=True)
class Copy:
    """One image of a pair."""

    number: int
    """Its position in the index of all splits."""
    path: str
    split: str
    label: str


@dataclass(frozen=True)
class DuplicatePair:
    """Two images that are the same, `exact` in every pixel or `near` to the eye."""

    first: Copy
    second: Copy
    kind: Literal["exact", "near"]
    mirrored: bool
    """Whether one is the other's mirror image, as training shows it too."""
    similarity: float
    """The correlation of the two, in grey and at 16 x 16 pixels."""

    @property
    def leaks(self) -> bool:
        """Whether two splits share the image."""
        return self.first.split != self.second.split

    @property
    def conflicts(self) -> bool:
        """Whether the image stands under two labels."""
        return self.first.label != self.second.label

    def record(self) -> dict[str, Any]:
        copies = self.first, self.second
        return {
            "paths": [copy.path for copy in copies],
            "splits": [copy.split for copy in copies],
            "labels": [copy.label for copy in copies],
            "kind": self.kind,
            "mirrored": self.mirrored,
            "similarity": round(self.similarity, 4),
        }


@dataclass(frozen=True)
class Duplicates:
    """The copies in a data set. A copy is paired with the first of its like, not with all of them."""

    pairs: tuple[DuplicatePair, ...]
    """Leaks first, the last split's before others', then one image under two labels, then the rest."""
    found: int
    """Pairs in all, where they are too many to list."""
    leaked: dict[tuple[str, str], int]
    """How many images of a split are also in an earlier one: {("test", "train"): 3}."""
    conflicts: int
    """Pairs of two labels."""
    repeated: dict[str, int]
    """How many images of a split are copies of others in it."""
    complete: bool
    """Whether all were compared: where very many look alike, only those with the most alike hashes are."""


@dataclass(frozen=True)
class _Pairs:
    """Pairs of rows as arrays, the first row before the second."""

    first: np.ndarray
    second: np.ndarray
    exact: np.ndarray
    mirrored: np.ndarray
    similarity: np.ndarray


def find_duplicates(
    rows: np.ndarray, index: ImageIndex, split_of: np.ndarray, splits: Sequence[str], classes: Sequence[str]
) -> Duplicates:
    """The copies among readable `LOOK` rows of an index of all splits, one split after another.

    `split_of` has, for each image of the index, the place of its split in `splits`. Images of one colour are copies
    only where every pixel is the same, since their looks do not tell them apart.
    """
    split, label = split_of[rows["number"]], index.labels[rows["number"]]
    leader = _leaders(rows["pixels"])
    pairs, complete = _pair_up(rows, leader, split)
    leaks = split[pairs.first] != split[pairs.second]
    conflicts = label[pairs.first] != label[pairs.second]
    last_first = split[pairs.first] - len(splits) * split[pairs.second] * leaks
    order = np.lexsort((pairs.second, ~pairs.exact, last_first, ~conflicts, ~leaks))[:MOST_PAIRS]

    def copy(row: int) -> Copy:
        number = int(rows["number"][row])
        return Copy(number, index.name(number), splits[split[row]], classes[label[row]])

    listed = tuple(
        DuplicatePair(
            copy(pairs.first[at]),
            copy(pairs.second[at]),
            "exact" if pairs.exact[at] else "near",
            bool(pairs.mirrored[at]),
            float(pairs.similarity[at]),
        )
        for at in order
    )
    leaked, repeated = _count(leader, pairs, split, splits)
    return Duplicates(listed, len(leaks), leaked, int(conflicts.sum()), repeated, complete)


def _leaders(digests: np.ndarray) -> np.ndarray:
    """For each row, the first row with the same digest."""
    _, first, group = np.unique(digests, axis=0, return_index=True, return_inverse=True)
    return first[group.reshape(-1)]


def _pair_up(rows: np.ndarray, leader: np.ndarray, split: np.ndarray) -> tuple[_Pairs, bool]:
    """Each exact copy with its leader, and leaders with those that look like them."""
    own = np.arange(len(rows))
    copies, candidates = np.flatnonzero(leader != own), np.flatnonzero((leader == own) & ~rows["blank"])
    alike = find_alike(rows[candidates], split[candidates])
    exact = np.arange(len(copies) + len(alike.first)) < len(copies)
    return _Pairs(
        np.concatenate([leader[copies], candidates[alike.first]]),
        np.concatenate([copies, candidates[alike.second]]),
        exact,
        np.concatenate([np.zeros(len(copies), dtype=bool), alike.mirrored]),
        np.concatenate([np.ones(len(copies)), alike.similarity]),
    ), alike.complete


def _count(
    leader: np.ndarray, pairs: _Pairs, split: np.ndarray, splits: Sequence[str]
) -> tuple[dict[tuple[str, str], int], dict[str, int]]:
    """How many images of a split are also in an earlier split, and in their own."""
    holds = np.zeros((len(leader), len(splits)), dtype=bool)  # of a leader: the splits with an image like it
    holds[leader, split] = True
    reached = holds.copy()
    near = ~pairs.exact
    for one, other in ((pairs.first[near], pairs.second[near]), (pairs.second[near], pairs.first[near])):
        np.logical_or.at(reached, one, holds[other])
    leaked, repeated = {}, {}
    for later, name in reversed(list(enumerate(splits))):
        images = leader[split == later]
        for earlier in range(later):
            if count := int(reached[images, earlier].sum()):
                leaked[name, splits[earlier]] = count
        within = split[pairs.first] == split[pairs.second]
        if count := len(np.unique(pairs.second[within & (split[pairs.second] == later)])):
            repeated[name] = count
    return leaked, repeated
