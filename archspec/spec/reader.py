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

from archspec.errors import Diagnostic, DocumentError, Place, shorten

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 200_000
"""Counted with aliases written out, so that a few nested aliases cannot stand for a billion values."""
MAX_DIGITS = 30

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C parser takes 0.2 ms a spec, the Python one 4; both give the same events."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML allows nowhere: control characters and half surrogate pairs."""
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""Line ends, as the parser counts them."""

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def read_scalar(text: str) -> Any:
    """What a plain scalar means in YAML 1.2: None, bool, int, float, or the text itself.

    `.inf` and `.nan` are read, so that a settings model can refuse them by name.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text, 0 if text[:2] in ("0x", "0o") else 10) if len(text) <= MAX_DIGITS else text
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.replace(".", "")) if _SPECIAL.fullmatch(text) else text


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


def _copy(node: Node) -> Node:
    """A node of its own: what an alias stands for may be changed without its anchor."""
    if isinstance(node, Scalar):
        return Scalar(node.value, node.place)
    if isinstance(node, Sequence):
        return Sequence(node.place, [_copy(item) for item in node.items], node.size)
    entries = {key: Entry(entry.key, _copy(entry.node)) for key, entry in node.entries.items()}
    return Mapping(node.place, entries, node.size)


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
        text = data.split(b"\n")[line - 1].decode("utf-8", "replace").rstrip("\r")
        place = Place(name, line, column, 1, text)
        raise DocumentError([Diagnostic("the file is not UTF-8 text", place, hint="save it as UTF-8")]) from None
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
        self.lines = _BREAK.split(text if source is None else source)
        self.anchors: dict[str, Node] = {}
        self.repeated: list[Diagnostic] = []
        self.count = 0

    def document(self) -> Node:
        if forbidden := _FORBIDDEN.search(self.text):
            before = _BREAK.split(self.text[: forbidden.start()])
            message = f"the file holds the control character {forbidden[0]!a}, which YAML does not allow"
            raise DocumentError([Diagnostic(message, self.place(len(before) - 1, len(before[-1]), 1))])
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
            return _copy(node)
        self.refuse_tag(event)
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
            self.refuse_tag(child)
            key, place = child.value, self.place_of(child)
            value = self.node(next(events), events, depth + 1)
            if key in mapping.entries:
                first = mapping.entries[key].key
                note = f"it stands first at line {first.line}, column {first.column}"
                self.repeated.append(Diagnostic(f"the key '{shorten(key)}' is given twice", place, hint=note))
            mapping.entries[key] = Entry(place, value)
        self.widen(mapping, event, child)
        return mapping

    def scalar(self, event: Any) -> Scalar:
        if not event.implicit[0] or event.tag == "!":  # quoted, a block of text, or the tag `!`, which means text
            return Scalar(event.value, self.place_of(event))
        if len(event.value) > MAX_DIGITS and _INT.fullmatch(event.value):
            raise self.error(f"a number of more than {MAX_DIGITS} digits", event)
        return Scalar(read_scalar(event.value), self.place_of(event))

    def refuse_tag(self, event: Any) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            shown = shorten(tag.replace("tag:yaml.org,2002:", "!!"))
            raise self.error(f"the tag '{shown}' is not part of the format", event, "a file holds data, never objects")

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
        if line and (line >= len(self.lines) or not any(self.lines[line:])):  # the end of the text: of its last line
            line = max((number for number, text in enumerate(self.lines[:line]) if text), default=0)
            column = max(0, len(self.lines[line]) - 1 - (self.column - 1 if line == 0 else 0))
        if line == 0:
            column += self.column - 1
        return Place(self.file, line + self.line, column + 1, max(1, length), self.lines[line])

    def error(self, message: str, event: Any, hint: str = "") -> DocumentError:
        return DocumentError([*self.repeated, Diagnostic(message, self.place_of(event), hint=hint)])

    def syntax_error(self, error: yaml.MarkedYAMLError) -> DocumentError:
        problem, context = error.problem or "this is not YAML", error.context or ""
        mark = error.problem_mark or error.context_mark
        place = self.place(mark.line, mark.column, 1) if mark else None
        if "nesting depth" in problem:  # libyaml has a limit of its own from 0.2.6 on, and may come to it first
            return DocumentError([*self.repeated, Diagnostic(f"nested deeper than {MAX_DEPTH} levels", place)])
        hint = next((hint for words, hint in _SYNTAX_HINTS.items() if words in problem), "")
        if error.context_mark and "flow" in context and not hint:
            opened = error.context_mark
            shift = self.column if opened.line == 0 else 1
            hint = f"it opens at line {opened.line + self.line}, column {opened.column + shift}"
        problem = problem.replace("did not find expected", "expected")
        return DocumentError([*self.repeated, Diagnostic(f"not YAML: {problem} {context}".rstrip(), place, hint=hint)])


_SYNTAX_HINTS = {
    "cannot start any token": "a tab cannot indent; @, ` and > want quotes",
    "expected comment or line break": "a text that begins with > wants quotes",
    "unexpected ':'": "a space is missing after the colon",
    "mapping values are not allowed": "a text with ': ' in it wants quotes",
}
"""What the parser says, and what usually causes it."""
