"""Where each value of a spec came from: a line of a file, `defaults`, the command line, or nowhere but a default."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archspec.errors import KeyPath, Place, printable
from archspec.spec.override import FILE
from archspec.spec.reader import Entry, Mapping, Node, Scalar, Sequence

_SHORT = ("type", "block")
"""What a bare name is short for: `norm: batch` for `norm: {type: batch}`."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The place that a value was read from; none for a value that nobody wrote."""

    place: Place | None = None
    inherited: bool = False
    """Whether it stands in `defaults`."""

    def __str__(self) -> str:
        if self.place is None:
            return "default"
        place = FILE if self.place.file == FILE else f"{_short_path(self.place.file)}:{self.place.line}"
        return f"defaults, {place}" if self.inherited else place

    def record(self) -> str | dict[str, Any]:
        """The origin as `--json` gives it."""
        place = self.place
        if place is None:
            return "default"
        inherited = {"through": "defaults"} if self.inherited else {}
        return {"file": place.file, "line": place.line, "column": place.column, **inherited}


def _short_path(file: str) -> str:
    path, here = Path(file), Path.cwd()
    return printable(str(path.relative_to(here) if path.is_relative_to(here) else path))


def find_origins(data: Any, node: Mapping, defaults: Entry | None = None) -> dict[KeyPath, Origin]:
    """For each single value in `data` the origin, by its path. An empty map or list counts as one.

    `data` is what was read from `node`, with all that was left unsaid. `defaults` is the section that `node` had before
    its entries were moved into the parts.
    """
    section = defaults.node.entries if defaults is not None and isinstance(defaults.node, Mapping) else {}
    inherited = frozenset(id(entry) for entry in section.values())
    return dict(_walk(data, node, (), inherited, False))


def _walk(
    data: Any, node: Node | None, path: KeyPath, section: frozenset[int], inside: bool
) -> Iterator[tuple[KeyPath, Origin]]:
    if not data or not isinstance(data, dict | list | tuple):
        yield path, Origin(node.place if node else None, inside)
        return
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        child, inherited = _step(node, key, section)
        yield from _walk(value, child, (*path, key), section, child is not None and (inside or inherited))


def _step(node: Node | None, key: str | int, section: frozenset[int]) -> tuple[Node | None, bool]:
    """The node of a part, and whether it was moved there from `defaults`."""
    if isinstance(node, Mapping) and key in node.entries:
        entry = node.entries[str(key)]
        return entry.node, id(entry) in section
    if isinstance(node, Sequence) and isinstance(key, int) and key < len(node.items):
        return node.items[key], False
    if isinstance(node, Scalar) and (key in _SHORT or isinstance(key, int)):  # `size: 224` is short for [224, 224]
        return node, False
    return None, False
