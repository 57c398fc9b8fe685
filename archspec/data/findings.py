"""What is wrong with a data set, and how to mend it: errors first, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from archspec.data.duplicates import MOST_PAIRS, DuplicatePair
from archspec.data.inspection import TINY, Inspection, Some

FEW = 10
"""Training images of a class, below which it is hardly learnt."""
SKEW = 10
"""A largest class of this many times the smallest is a warning."""
_EXAMPLES = 10
"""Files that a finding names."""
Severity = Literal["error", "warning", "note"]
_COMMON: tuple[tuple[str, Severity, str, str], ...] = (
    ("blank", "warning", "of one colour", "look at them: a failed download or a dark frame teaches nothing"),
    ("tiny", "note", f"with a side below {TINY} pixels", "enlarging adds no detail: keep the input small"),
    ("frames", "note", "with several frames or pages", "the first is taken"),
    ("misnamed", "note", "named with another format's suffix", "they are read by what they hold"),
)
"""Fields of `SplitFacts`: how bad, what it is, and what to do."""


@dataclass(frozen=True)
class Finding:
    """One thing to know of a data set. An error makes `archspec data inspect` end in 1."""

    severity: Severity
    message: str
    help: str = ""
    examples: tuple[str, ...] = ()
    """Some of the images, by name; with the cause, where they cannot be read."""
    pairs: tuple[DuplicatePair, ...] = ()
    """Some of the copies."""

    def record(self) -> dict[str, Any]:
        record = asdict(self)
        record["pairs"] = [pair.record() for pair in self.pairs]
        return record


def find_faults(inspection: Inspection) -> list[Finding]:
    """All there is to say, the worst first."""
    findings = [finding for part in _PARTS for finding in part(inspection)]
    return sorted(findings, key=lambda finding: ("error", "warning", "note").index(finding.severity))


def _leaks(inspection: Inspection) -> Iterator[Finding]:
    duplicates = inspection.duplicates
    for (later, earlier), count in duplicates.leaked.items():
        pairs = [pair for pair in duplicates.pairs if {pair.first.split, pair.second.split} == {later, earlier}]
        are = "is" if count == 1 else "are"
        message = f"{_images(count, later)} {are} also in {earlier}"
        help = f"take every copy out of one of the two: a score on images seen in {earlier} says nothing of new ones"
        yield Finding("error", message, help, pairs=tuple(pairs[:_EXAMPLES]))


def _corrupt(inspection: Inspection) -> Iterator[Finding]:
    for split in inspection.splits:
        if split.corrupt:
            message = f"{_count(len(split.corrupt), 'file')} of {split.name} cannot be read"
            examples = tuple(f"{file.path}: {file.cause}" for file in split.corrupt[:_EXAMPLES])
            yield Finding("error", message, "mend or take away: training stops at such a file", examples)


def _conflicts(inspection: Inspection) -> Iterator[Finding]:
    duplicates = inspection.duplicates
    if duplicates.conflicts:
        pairs = tuple(pair for pair in duplicates.pairs if pair.conflicts)
        count, names = duplicates.conflicts, f"{pairs[0].first.label} and {pairs[0].second.label}"
        under = f"stands under two labels: {names}" if count == 1 else f"stand under two labels, such as {names}"
        message = f"{_count(count, 'image')} {under}"
        yield Finding("error", message, "keep each under the label that is right", pairs=pairs[:_EXAMPLES])


def _repeated(inspection: Inspection) -> Iterator[Finding]:
    duplicates = inspection.duplicates
    for split, count in duplicates.repeated.items():
        pairs = [pair for pair in duplicates.pairs if pair.first.split == pair.second.split == split]
        message = f"{_images(count, split)} {'is a copy of another' if count == 1 else 'are copies of others'} in it"
        yield Finding("warning", message, "take the copies away: they weigh double", pairs=tuple(pairs[:_EXAMPLES]))
    if duplicates.found > MOST_PAIRS:
        message = f"of {duplicates.found:,} pairs of copies the first {MOST_PAIRS:,} are listed"
        yield Finding("note", message, "mend those, and inspect again")
    if not duplicates.complete:
        message = "very many images look alike: of those, each was compared with the most alike only"
        yield Finding("note", message, "mend what was found, and inspect again")


def _classes(inspection: Inspection) -> Iterator[Finding]:
    training, *others = inspection.splits
    for split in inspection.splits:
        absent = [name for name, count in split.per_class.items() if not count]
        if absent:
            help = f"a score on {split.name} says nothing of them" if split in others else "a class needs images"
            yield Finding("warning", f"{split.name} has no images of {_list(absent)}", help)
    few = [f"{name} ({count})" for name, count in training.per_class.items() if 0 < count < FEW]
    if few:
        message = f"{training.name} has fewer than {FEW} images of {_list(few)}"
        yield Finding("warning", message, "add images, or leave the class out")


def _imbalance(inspection: Inspection) -> Iterator[Finding]:
    counts = {name: count for name, count in inspection.splits[0].per_class.items() if count}
    if not counts:
        return
    (most, largest), (least, smallest) = (pick(counts.items(), key=lambda item: item[1]) for pick in (max, min))
    ratio = largest / smallest
    if ratio >= 2:
        message = f"the largest class, {most}, has {ratio:.1f} times the images of the smallest, {least}"
        help = "accuracy will speak of the large classes: look at each class's own"
        yield Finding("warning" if ratio >= SKEW else "note", message, help)


def _files(inspection: Inspection) -> Iterator[Finding]:
    """What images have in common that is worth a look."""
    for name, severity, what, help in _COMMON:
        found: list[Some] = [getattr(split, name) for split in inspection.splits]
        if count := sum(some.count for some in found):
            message = f"{_count(count, 'image')} {what}"
            examples = tuple(path for some in found for path in some.paths[:_EXAMPLES])
            yield Finding(severity, message, help, examples[:_EXAMPLES])


def _notes(inspection: Inspection) -> Iterator[Finding]:
    """What the data set itself noticed; a class that a split lacks is said above."""
    said = [f"the {split.name} split has no images of" for split in inspection.splits]
    yield from (Finding("note", note) for note in inspection.notes if not note.startswith(tuple(said)))


_PARTS = (_leaks, _corrupt, _conflicts, _repeated, _classes, _imbalance, _files, _notes)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _images(count: int, split: str) -> str:
    return _count(count, f"{split} image")


def _list(names: Sequence[str], most: int = 5) -> str:
    """`a, b and 7 more`."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
