"""Turns nodes into a settings model, and everything that is wrong into diagnostics with a place.

pydantic checks the values. What pydantic cannot know is done here: which plugin offers a name, and where a value
stands in the file.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from archspec.errors import Diagnostic, DocumentError, Path, Place, show_path
from archspec.offers import Offer, Offered, Options, Settings
from archspec.plugins import Plugins, closest
from archspec.spec.reader import Entry, Mapping, Node, Scalar, Sequence, plain

S = TypeVar("S", bound=Settings)


def read_settings(model: type[S], node: Mapping, plugins: Plugins) -> S:
    """The settings that a document describes.

    Raises:
        DocumentError: with a diagnostic for everything that is wrong.

    """
    reading = _Reading(plugins)
    settings = reading.settings(model, node, ())
    if reading.diagnostics:
        raise DocumentError(reading.diagnostics)
    assert settings is not None
    return settings


def default_options(kind: str, name: str, plugins: Plugins, **values: Any) -> Options:
    """The options of an offer, from Python values: for tests and for code that has no document."""
    offer = plugins.find(kind, name)
    place = Place("<python>", 1, 1)
    entries = {key: Entry(place, _as_node(value, place)) for key, value in values.items()}
    options: Options = read_settings(offer.options, Mapping(place, entries), plugins)
    return options.of(offer)


def _as_node(value: Any, place: Place) -> Node:
    if isinstance(value, dict):
        return Mapping(place, {key: Entry(place, _as_node(item, place)) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return Sequence(place, [_as_node(item, place) for item in value])
    return Scalar(value, place)


@dataclass(frozen=True)
class FieldShape:
    """How one field of a settings model is read."""

    settings: type[Settings] | None = None
    offered: Offered | None = None
    many: bool = False


@cache
def field_shapes(model: type[Settings]) -> dict[str, FieldShape]:
    """Which fields of a model hold offers or other settings; every other field is a plain value."""
    shapes = {}
    for name, field in model.model_fields.items():
        shape = _shape(field.annotation, field.metadata)
        if shape is not None:
            shapes[name] = shape
    return shapes


def _shape(annotation: Any, metadata: Iterable[Any]) -> FieldShape | None:
    for marker in metadata:
        if isinstance(marker, Offered):
            return FieldShape(offered=marker)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _shape(arguments[0], arguments[1:])
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        inner = _shape(arguments[0], ())
        return None if inner is None else FieldShape(inner.settings, inner.offered, many=True)
    inner_types = [argument for argument in arguments if argument is not NoneType]
    if origin is not None and len(inner_types) == 1 and len(arguments) == 2:  # X | None
        return _shape(inner_types[0], ())
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return FieldShape(settings=annotation)
    return None


class _Reading:
    """One document on its way into a model."""

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.diagnostics: list[Diagnostic] = []

    def settings(self, model: type[S], node: Node, path: Path) -> S | None:
        """The settings in a map, or None, where a diagnostic says what is wrong."""
        if not isinstance(node, Mapping):
            self.report(f"{_subject(path)} must be a map of keys, not {_describe(plain(node))}", node.place, path)
            return None
        shapes = field_shapes(model)
        values: dict[str, Any] = {}
        failed = set()
        for key, entry in node.entries.items():
            shape = shapes.get(key)
            read = plain(entry.node) if shape is None else self.field(shape, entry.node, (*path, key))
            if shape is not None and read is None and plain(entry.node) is not None:
                failed.add(key)
            else:
                values[key] = read
        for key, shape in shapes.items():
            if key not in node.entries and shape.offered is not None and shape.offered.default is not None:
                values[key] = self.offer(shape.offered, Scalar(shape.offered.default, node.place), (*path, key))
        try:
            return model.model_validate(values)
        except ValidationError as invalid:
            for error in invalid.errors(include_url=False):
                if not (error["loc"] and error["loc"][0] in failed):
                    self.translate(error, model, node, path)
            return None

    def field(self, shape: FieldShape, node: Node, path: Path) -> Any:
        if shape.many and isinstance(node, Sequence):
            one = FieldShape(shape.settings, shape.offered)
            items = tuple(self.field(one, item, (*path, index)) for index, item in enumerate(node.items))
            return None if any(item is None for item in items) else items
        if shape.many or (isinstance(node, Scalar) and node.value is None):
            return plain(node)  # pydantic says what is wrong with it
        if shape.offered is not None:
            return self.offer(shape.offered, node, path)
        assert shape.settings is not None
        return self.settings(shape.settings, node, path)

    def offer(self, marker: Offered, node: Node, path: Path) -> Options | None:
        """The options of the offer that a node names: `batch`, or `{type: batch, eps: 1e-3}`."""
        named = self.offer_name(marker, node, path)
        if named is None:
            return None
        name, place = named
        offers = self.plugins.offers(marker.kind)
        if name not in offers:
            match = closest(name, offers)
            hint = f"did you mean '{match}'?" if match else ""
            at = (*path, marker.key) if isinstance(node, Mapping) else path
            singular = marker.kind.removesuffix("s").replace("_", " ")
            self.report(f"unknown {singular} '{name}'", place, at, hint, self.plugins.known(marker.kind))
            return None
        offer: Offer[Any] = offers[name]
        rest = node.entries if isinstance(node, Mapping) else {}
        options = Mapping(node.place, {key: entry for key, entry in rest.items() if key != marker.key})
        read = self.settings(offer.options, options, path)
        return None if read is None else read.of(offer)

    def offer_name(self, marker: Offered, node: Node, path: Path) -> tuple[str, Place] | None:
        """The name, and where it stands."""
        if isinstance(node, Mapping):
            entry = node.entries.get(marker.key)
            if entry is None and marker.default is not None:
                return marker.default, node.place
            if entry is None:
                note = self.plugins.known(marker.kind)
                self.report(f"{_subject(path)} has no '{marker.key}'", node.place, path, "", note)
                return None
            node, path = entry.node, (*path, marker.key)
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return node.value, node.place
        singular = marker.kind.removesuffix("s").replace("_", " ")
        message = f"{_subject(path)} must name a {singular}, not {_describe(plain(node))}"
        self.report(message, node.place, path, "", self.plugins.known(marker.kind))
        return None

    def translate(self, error: ErrorDetails, model: type[Settings], node: Mapping, path: Path) -> None:
        """A pydantic error, in our words and at its place."""
        place, where = locate(node, error["loc"])
        if error["type"] == "extra_forbidden":
            key = str(error["loc"][-1])
            inside = _model_at(model, error["loc"][:-1])
            known = sorted(inside.model_fields)
            match = closest(key, known)
            hint = f"did you mean '{match}'?" if match else ""
            note = f"known keys: {', '.join(known)}" if known else "it has no options"
            self.report(f"unknown key '{key}'", key_place(node, error["loc"]), (*path, *error["loc"]), hint, note)
        elif error["type"] == "missing":
            key = str(error["loc"][-1])
            self.report(f"{_subject((*path, *where))} has no '{key}'", place, (*path, *where))
        else:
            message, hint = _say(error)
            self.report(f"{_subject((*path, *where))} {message}", place, (*path, *where), hint)

    def report(self, message: str, place: Place, path: Path, hint: str = "", *notes: str) -> None:
        diagnostic = Diagnostic(message, place, path, hint, notes)
        if diagnostic not in self.diagnostics:  # one value can break one rule twice: both sides of `size: 0`
            self.diagnostics.append(diagnostic)


def locate(node: Node, path: Iterable[str | int]) -> tuple[Place, Path]:
    """The place of the value at `path`, or of the nearest value around it that the document holds, and that path."""
    found: Path = ()
    for part in path:
        if isinstance(node, Mapping) and part in node.entries:
            node = node.entries[str(part)].node
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            break
        found = (*found, part)
    return node.place, found


def key_place(node: Node, path: Path) -> Place:
    """The place of the last key of `path`, rather than of its value."""
    *parents, last = path
    for part in parents:
        node = node.entries[str(part)].node if isinstance(node, Mapping) else node.items[int(part)]  # type: ignore[union-attr]
    assert isinstance(node, Mapping)
    return node.entries[str(last)].key


def _model_at(model: type[Settings], loc: Path) -> type[Settings]:
    for part in loc:
        shape = field_shapes(model).get(str(part))
        if shape is not None and shape.settings is not None:
            model = shape.settings
    return model


def _subject(path: Path) -> str:
    return f"'{show_path(path)}'" if path else "the file"


def _describe(value: Any) -> str:
    """A value as the user may know it: `the text 'x'`, `a list of 3`, `nothing`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text '{value if len(value) <= 40 else value[:37] + '...'}'"
    if isinstance(value, tuple | list):
        return f"a list of {len(value)}"
    if isinstance(value, dict | Settings):
        return "a map"
    return str(value)


_MUST_BE = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "finite_number": "a finite number",
    "model_type": "a map",
    "dict_type": "a map",
    "none_required": "left empty",
}
_MUST_COMPARE = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def _say(error: ErrorDetails) -> tuple[str, str]:
    """What pydantic found, as the end of a sentence, and a hint."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind in _MUST_BE:
        return f"must be {_MUST_BE[kind]}, not {_describe(value)}", ""
    if kind in _MUST_COMPARE:
        words, bound = _MUST_COMPARE[kind]
        return f"must be {words} {context[bound]:,}, not {value:,}", ""
    if kind == "literal_error":
        expected = context["expected"]
        known = expected.replace("'", "").replace(" or ", ", ").split(", ")
        match = closest(value, known) if isinstance(value, str) else None
        return f"must be {expected}, not {_describe(value)}", f"did you mean '{match}'?" if match else ""
    if kind == "too_short":
        least = context["min_length"]
        return f"must hold at least {least} {'entry' if least == 1 else 'entries'}, not {context['actual_length']}", ""
    if kind == "too_long":
        return f"must hold {context['max_length']} entries, not {context['actual_length']}", ""
    if kind == "string_pattern_mismatch":
        return f"must match {context['pattern']}, unlike {_describe(value)}", ""
    if kind == "value_error":
        return str(context["error"]), ""
    return f"is wrong: {error['msg'].lower()}", ""
