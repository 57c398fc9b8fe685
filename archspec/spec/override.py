"""`--set path=value`: changes a document before it is checked, so that an override is held to the same rules.

head.classes=10     input.size=[96, 128]     stages.2.filters=512     stages.*.bias=true     defaults.norm.eps=1e-3
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from archspec.errors import Diagnostic, DocumentError, Place, shorten
from archspec.spec.reader import Entry, Mapping, Node, Sequence, read_text
from archspec.spec.widths import is_width_rule

FILE = "--set"
"""What stands for the file in the place of a value that was set."""


def apply_override(document: Mapping, override: str, number: int = 1, prefix: str = "") -> None:
    """Change `document` as `path=value` says.

    `number` counts the overrides, for error messages; `prefix` is what leads to the document.

    Raises:
        DocumentError: it is not of the form `path=value`, the value is not YAML, or a list has no such place.

    """
    path, equals, value = override.partition("=")
    parts = [part for part in re.split(r"[.\[\]]+", path.strip().removeprefix(prefix)) if part]
    whole = Place(FILE, number, 1, len(override), override)
    if not (equals and parts):
        message = f"'{shorten(override)}' is not of the form path=value"
        raise DocumentError([Diagnostic(message, whole, hint="such as head.classes=10")])
    node = read_text(value, FILE, line=number, column=len(path) + 2, source=override)
    column = len(prefix) + 1 if override.startswith(prefix) else 1
    keys = []
    for part in parts:
        column = override.index(part, column - 1) + 1
        keys.append((part, Place(FILE, number, column, len(part), override)))
        column += len(part)
    _put(document, _of_all_stages(document, keys), node)


def _of_all_stages(document: Mapping, keys: list[tuple[str, Place]]) -> list[tuple[str, Place]]:
    """`stages.*.bias` as `stages.bias`, where a width rule describes all stages at once."""
    stages = document.entries.get("stages")
    starred = [key for key, _ in keys[:2]] == ["stages", "*"] and len(keys) > 2
    return [keys[0], *keys[2:]] if starred and stages is not None and is_width_rule(stages.node) else keys


def _put(node: Node, keys: list[tuple[str, Place]], value: Node) -> None:
    (key, place), *rest = keys
    for target in _targets(node, key, place):
        if not rest:
            target[0](value)
            continue
        child = target[1]
        if not isinstance(child, Mapping | Sequence):  # `norm: batch` is short for `norm: {type: batch}`
            kept = {"type": Entry(child.place, child)} if child is not None and child.value is not None else {}
            child = Mapping(place, kept)
            target[0](child)
        _put(child, rest, value)


def _targets(node: Node, key: str, place: Place) -> Iterator[tuple]:  # type: ignore[type-arg]
    """What `key` names inside `node`: a setter for each, and its value now."""
    if isinstance(node, Sequence):
        count = len(node.items)
        if key != "*" and not (key.isdecimal() and len(key) < 10 and int(key) < count):
            message = f"there is no entry '{shorten(key)}' in a list of {count}"
            hint = f"entries are 0 to {count - 1}, or * for all" if count else ""
            raise DocumentError([Diagnostic(message, place, hint=hint)])
        indexes = range(count) if key == "*" else [int(key)]
        for index in indexes:
            yield (lambda value, index=index: node.items.__setitem__(index, value)), node.items[index]
    elif isinstance(node, Mapping):
        if key.isdecimal() or key == "*":
            raise DocumentError([Diagnostic(f"only a list has an entry '{shorten(key)}'", place, hint=_no_list(node))])
        entry = node.entries.get(key)
        yield (lambda value: node.entries.__setitem__(key, Entry(place, value))), entry.node if entry else None


def _no_list(node: Mapping) -> str:
    """How to mend a number or a `*` on what is no list."""
    if is_width_rule(node):
        return "a width rule describes all stages at once: leave it out"
    if not node.entries:
        return "nothing stands here yet: name a key, or set the whole list"
    return f"this is a map: name one of its keys, such as {shorten(next(iter(node.entries)))}"
