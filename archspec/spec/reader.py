"""Reads YAML text into nodes that remember where they stand.

PyYAML's own loaders read `no` as False, `1e-3` as text, `010` as 8 and `1:30` as 90, keep the last of two equal keys,
and can crash the process on deep nesting. So the nodes are built here from the parser's events, with the scalars of
YAML 1.2's core schema, and with limits that are checked while the events come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from archspec.errors import Diagnostic, DocumentError, Place

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 200_000
"""Counted with aliases written out, so that a few nested aliases cannot stand for a billion values."""
MAX_DIGITS = 30

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C parser takes 0.2 ms a spec, the Python one 4; both give the same events."""

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(slots=True)
class Scalar:
    """A single value: None, bool, int, float or str."""

    value: Any
    place: Place
    size: int = 1


@dataclass(slots=True)
class Sequence:
    """A list of nodes."""

    place: Place
    items: list[Node] = field(default_factory=list)
    size: int = 1


@dataclass(slots=True)
class Entry:
    """A key's place, and its value."""

    key: Place
    node: Node


@dataclass(slots=True)
class Mapping:
    """A map from text to nodes."""

    place: Place
    entries: dict[str, Entry] = field(default_factory=dict)
    size: int = 1


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """The node's value as None, bool, int, float, str, tuple and dict."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return tuple(plain(item) for item in node.items)
    return {key: plain(entry.node) for key, entry in node.entries.items()}


def read_document(path: Path) -> Mapping:
    """The map that a YAML file holds.

    Raises:
        DocumentError: there is no such file, it is not UTF-8, does not parse, or holds no map.

    """
    name = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise DocumentError([Diagnostic(f"there is no file '{name}'")]) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DocumentError([Diagnostic(f"'{name}' cannot be read: {reason}")]) from None
    if len(data) > MAX_BYTES:
        raise DocumentError([Diagnostic(f"'{name}' is larger than {MAX_BYTES:,} bytes")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        column = len(data[: error.start].rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        raise DocumentError([Diagnostic("the file is not UTF-8 text", Place(name, line, column))]) from None
    node = read_text(text, name)
    if isinstance(node, Mapping):
        return node
    if isinstance(node, Scalar) and node.value is None:
        raise DocumentError([Diagnostic(f"'{name}' is empty")])
    raise DocumentError([Diagnostic("the file must hold a map of keys, such as `name: resnet34`", node.place)])


def read_text(text: str, file: str, *, line: int = 1, column: int = 1, source: str | None = None) -> Node:
    """The node that YAML text holds. `line` and `column` say where it stands in `source`, for text cut from a line.

    Raises:
        DocumentError: the text does not parse, repeats a key, or exceeds a limit.

    """
    return _Reader(text, file, line, column, source).document()


class _Reader:  # events are Any: PyYAML's stubs make every mark optional
    def __init__(self, text: str, file: str, line: int, column: int, source: str | None) -> None:
        self.text, self.file, self.line, self.column = text, file, line, column
        self.lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text if source is None else source)  # as the parser does
        self.anchors: dict[str, Node] = {}
        self.repeated: list[Diagnostic] = []
        self.count = 0

    def document(self) -> Node:
        try:
            events = iter(yaml.parse(self.text, Loader=_PARSER))
            node: Node | None = None
            for event in events:
                if isinstance(event, DocumentStartEvent):
                    if node is not None:
                        raise self.error("the file holds a second document", event, "one file describes one thing")
                    node = self.node(next(events), events, 0)
        except yaml.MarkedYAMLError as error:
            raise self.syntax_error(error) from None
        except yaml.YAMLError as error:  # a character that YAML does not allow has a position, but no mark
            position = getattr(error, "position", 0) or 0
            before = self.text[:position]
            place = self.place(before.count("\n"), len(before.rpartition("\n")[2]), 1)
            message = "the file holds a control character, which YAML does not allow"
            raise DocumentError([Diagnostic(message, place)]) from None
        if self.repeated:
            raise DocumentError(self.repeated)
        return node if node is not None else Scalar(None, self.place(0, 0, 1))

    def node(self, event: Any, events: Iterator[Event], depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.error(f"nested deeper than {MAX_DEPTH} levels", event)
        if isinstance(event, AliasEvent):
            if event.anchor not in self.anchors:
                raise self.error(f"unknown alias '*{event.anchor}'", event)
            node = self.anchors[event.anchor]
            self.grow(node.size, event)
            return node
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            raise self.error(f"the tag '{tag}' is not part of the format", event, "a file holds data, never objects")
        self.grow(1, event)
        before = self.count
        node = self.scalar(event) if isinstance(event, ScalarEvent) else self.collection(event, events, depth)
        node.size = 1 + self.count - before
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def collection(self, event: Any, events: Iterator[Event], depth: int) -> Node:
        if isinstance(event, SequenceStartEvent):
            sequence = Sequence(self.place_of(event))
            while not isinstance(child := next(events), SequenceEndEvent):
                sequence.items.append(self.node(child, events, depth + 1))
            self.widen(sequence, event, child)
            return sequence
        assert isinstance(event, MappingStartEvent)
        mapping = Mapping(self.place_of(event))
        while not isinstance(child := next(events), MappingEndEvent):
            if not isinstance(child, ScalarEvent):
                raise self.error("a key must be plain text", child)
            key, place = child.value, self.place_of(child)
            value = self.node(next(events), events, depth + 1)
            if key in mapping.entries:
                first = mapping.entries[key].key
                note = f"it stands first at line {first.line}, column {first.column}"
                self.repeated.append(Diagnostic(f"the key '{key}' is given twice", place, hint=note))
            mapping.entries[key] = Entry(place, value)
        self.widen(mapping, event, child)
        return mapping

    def scalar(self, event: ScalarEvent) -> Scalar:
        text, place = event.value, self.place_of(event)
        if not event.implicit[0]:  # quoted, or a block of text
            return Scalar(text, place)
        if text in _WORDS:
            return Scalar(_WORDS[text], place)
        if _INT.fullmatch(text):
            if len(text) > MAX_DIGITS:
                raise self.error(f"a number of more than {MAX_DIGITS} digits", event)
            return Scalar(int(text, 0 if text[:2] in ("0x", "0o") else 10), place)
        if _FLOAT.fullmatch(text):
            return Scalar(float(text), place)
        if _SPECIAL.fullmatch(text):  # read, so that a settings model can refuse it by name
            return Scalar(float(text.replace(".", "")), place)
        return Scalar(text, place)

    def grow(self, size: int, event: Any) -> None:
        self.count += size
        if self.count > MAX_NODES:
            raise self.error(f"more than {MAX_NODES:,} values, aliases written out", event)

    def widen(self, node: Sequence | Mapping, start: Any, end: Any) -> None:
        """Let a flow collection's place reach its closing bracket, where that stands on the same line."""
        if start.start_mark.line == end.end_mark.line:
            length = end.end_mark.column - start.start_mark.column
            node.place = self.place(start.start_mark.line, start.start_mark.column, length)

    def place_of(self, event: Any) -> Place:
        start, end = event.start_mark, event.end_mark
        return self.place(start.line, start.column, end.column - start.column if start.line == end.line else 1)

    def place(self, line: int, column: int, length: int) -> Place:
        text = self.lines[line] if line < len(self.lines) else ""
        if line == 0:
            column += self.column - 1
        return Place(self.file, line + self.line, column + 1, max(1, length), text)

    def error(self, message: str, event: Any, hint: str = "") -> DocumentError:
        return DocumentError([*self.repeated, Diagnostic(message, self.place_of(event), hint=hint)])

    def syntax_error(self, error: yaml.MarkedYAMLError) -> DocumentError:
        mark = error.problem_mark or error.context_mark
        place = self.place(mark.line, mark.column, 1) if mark else None
        problem = (error.problem or "this is not YAML").replace("did not find expected", "expected")
        context = f" {error.context}" if error.context else ""
        return DocumentError([*self.repeated, Diagnostic(f"not YAML: {problem}{context}", place)])
