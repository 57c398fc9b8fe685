"""The head, which makes a logit for each class: copied, begun afresh, or carried over by the classes' names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from archspec.errors import WeightsError, shorten
from archspec.plan.plan import Plan, Step

_MOST_BYTES = 10_000_000


@dataclass(frozen=True)
class HeadChoice:
    """What becomes of the head's rows."""

    action: Literal["copied", "reset", "by-name"]
    reason: str = ""
    here: tuple[int, ...] = ()
    there: tuple[int, ...] = ()
    """By name: rows of the network, and the rows of the file that they take."""


def class_step(plan: Plan) -> Step | None:
    """The last step with tensors, where each tensor has an entry for each class; None for a head of another kind."""
    last = next((step for step in reversed(plan.steps) if step.operation.parameters()), None)
    if last is None or last.operation.buffers():
        return None
    sizes = {shape[0] for shape in last.operation.parameters().values()}
    return last if sizes == {plan.output[0]} and len(plan.output) == 1 else None


def choose_head(
    mode: str, sizes: tuple[int, int], here: Sequence[str] | None, there: Sequence[str] | None
) -> HeadChoice:
    """What `auto` or `by-name` means for a head of `sizes` classes here and there, whose names may be known.

    Raises:
        WeightsError: `by-name` without names, as many names as the head has not, or a name that stands twice.

    """
    for names, size, whose in ((here, sizes[0], "the network's"), (there, sizes[1], "the file's")):
        if names is not None and len(names) != size:
            raise WeightsError(f"{whose} head has {size:,} classes, and there are {len(names):,} names for them")
    if here is not None and there is not None:
        return _by_name(list(here), list(there))
    if mode == "by-name":
        whose = "the file's" if there is None else "the network's"
        help = "give them with --classes FILE, a name a line" if there is None else "give --network-classes FILE"
        raise WeightsError(f"a head by name needs the names of {whose} classes, which are not known", help=help)
    if sizes[0] == sizes[1]:
        return HeadChoice("copied")
    return HeadChoice("reset", f"{sizes[1]:,} classes there, {sizes[0]:,} here")


def _by_name(here: list[str], there: list[str]) -> HeadChoice:
    if here == there:
        return HeadChoice("copied")
    twice = [name for name, count in Counter(there).items() if count > 1 and name in here]
    if twice:
        raise WeightsError(f"the class '{shorten(twice[0])}' stands twice among the classes of the file")
    places = {name: row for row, name in enumerate(there)}
    pairs = [(row, places[name]) for row, name in enumerate(here) if name in places]
    if not pairs:
        return HeadChoice("reset", "no class of the file has the name of one here")
    known, fresh = len(pairs), len(here) - len(pairs)
    reason = f"{known:,} of {len(here):,} classes by name" + (f", {fresh:,} new" if fresh else "")
    return HeadChoice("by-name", reason, *map(tuple, zip(*pairs, strict=True)))


def read_classes(path: Path | str) -> tuple[str, ...]:
    """The names of classes in a text file, a line each.

    Raises:
        WeightsError: there is no such file, it is not UTF-8, or a line is empty.

    """
    try:
        with Path(path).open("rb") as stream:
            lines = stream.read(_MOST_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise WeightsError(f"the file of classes '{path}' is not UTF-8 text") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise WeightsError(f"the file of classes '{path}' cannot be read: {reason}") from error
    names = tuple(line.strip() for line in lines)
    if not names or not all(names):
        line = names.index("") + 1 if names else 1
        raise WeightsError(
            f"the file of classes '{path}' has no name in line {line}", help="a name a line, and no more"
        )
    return names
