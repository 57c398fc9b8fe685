"""Turns nodes into a settings model, and everything that is wrong into diagnostics with a place.

pydantic checks the values. What pydantic cannot know is done here: which plugin offers a name, and where a value
stands in the file.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from archspec.errors import Diagnostic, DocumentError, KeyPath, Place, PluginError, shorten, show_path
from archspec.offers import Offered, Options, Settings, singular
from archspec.plugins import Plugins, closest
from archspec.spec.fields import FieldShape, field_shapes
from archspec.spec.reader import Entry, Mapping, Node, Scalar, Sequence, plain
from archspec.spec.wording import describe, say_error

S = TypeVar("S", bound=Settings)


def read_settings(model: type[S], node: Mapping, plugins: Plugins, path: KeyPath = ()) -> S:
    """The settings that a document, or the part of one at `path`, describes.

    Raises:
        DocumentError: with a diagnostic for everything that is wrong.

    """
    reading = _Reading(plugins)
    settings = reading.settings(model, node, path)
    if reading.found:
        raise DocumentError(reading.diagnostics)
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


_FAILED: Any = object()
"""Stands for a value that a diagnostic speaks of already."""
_MOST = 100
"""So many diagnostics are told one by one."""


class _Reading:
    """One document on its way into a model."""

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.found: dict[tuple[str, Place | None], Diagnostic] = {}

    @property
    def diagnostics(self) -> list[Diagnostic]:
        found = list(self.found.values())
        left = len(found) - _MOST
        return found if left <= 0 else [*found[:_MOST], Diagnostic(f"and {left:,} more errors", found[_MOST].place)]

    def settings(self, model: type[S], node: Node, path: KeyPath) -> S:
        """The settings in a map, or `_FAILED`, where a diagnostic says what is wrong."""
        node = _spell_out(model, node)
        if not isinstance(node, Mapping):
            self.report(f"{_subject(path)} must be a map of keys, not {describe(plain(node))}", node.place, path)
            return cast(S, _FAILED)
        shapes = field_shapes(model)
        values: dict[str, Any] = {}
        for key, entry in node.entries.items():
            shape = shapes.get(key)
            values[key] = plain(entry.node) if shape is None else self.field(shape, entry.node, (*path, key))
        for key, shape in shapes.items():
            if key not in node.entries and shape.offered is not None and shape.offered.default is not None:
                name = Scalar(shape.offered.default, node.place)
                values[key] = self.offer(shape.offered, shape.base, name, (*path, key))
        failed = {key for key, value in values.items() if value is _FAILED}
        try:
            with contextlib.redirect_stdout(sys.stderr):  # a plugin's validator may print
                settings = model.model_validate({key: value for key, value in values.items() if key not in failed})
        except ValidationError as invalid:
            for error in _worth_telling(invalid.errors(include_url=False), failed, model):
                self.translate(error, model, node, path)
            return cast(S, _FAILED)
        return cast(S, _FAILED) if failed else settings

    def field(self, shape: FieldShape, node: Node, path: KeyPath) -> Any:
        if shape.many and (isinstance(node, Sequence) or not shape.alone):
            if not isinstance(node, Sequence):
                return plain(node)  # pydantic says that it must be a list
            one = shape.entry
            items = tuple(self.field(one, item, (*path, index)) for index, item in enumerate(node.items))
            return _FAILED if any(item is _FAILED for item in items) else items
        if shape.offered is not None:
            return self.offer(shape.offered, shape.base, node, path)
        assert shape.settings is not None
        if shape.optional and isinstance(node, Scalar) and node.value is None:
            return None
        return self.settings(shape.settings, node, path)

    def offer(self, marker: Offered, base: type[Options], node: Node, path: KeyPath) -> Options:
        """The options of the offer that a node names: `batch`, or `{type: batch, eps: 1e-3}`."""
        named = self.offer_name(marker, node, path)
        if named is None:
            return cast(Options, _FAILED)
        name, place = named
        offer = self.plugins.get(marker.kind, name)
        if offer is None:
            match = closest(name, self.plugins.offers(marker.kind))
            hint = f"did you mean '{match}'?" if match else ""
            at = (*path, marker.key) if isinstance(node, Mapping) else path
            self.report(
                f"unknown {singular(marker.kind)} '{shorten(name)}'", place, at, hint, self.plugins.known(marker.kind)
            )
            return cast(Options, _FAILED)
        if not issubclass(offer.options, base):
            what = f"'{name}' among {marker.kind} of {offer.origin}"
            raise PluginError(f"{what} has options that do not derive from archspec.{base.__name__}")
        rest = node.entries if isinstance(node, Mapping) else {}
        options = Mapping(node.place, {key: entry for key, entry in rest.items() if key != marker.key})
        read = self.settings(offer.options, options, path)
        return cast(Options, read if read is _FAILED else read.of(offer, (node, path)))

    def offer_name(self, marker: Offered, node: Node, path: KeyPath) -> tuple[str, Place] | None:
        """The name, and where it stands."""
        if isinstance(node, Mapping):
            entry = node.entries.get(marker.key)
            if entry is None and marker.default is not None:
                return marker.default, node.place
            if entry is None:
                note = self.plugins.known(marker.kind)
                rule = f"has no '{marker.key}'"
                self.report(f"{_subject(path)} {rule}", node.place, path, "", note, rule=rule)
                return None
            node, path = entry.node, (*path, marker.key)
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return node.value, node.place
        one = singular(marker.kind)
        rule = f"must name {'an' if one[0] in 'aeiou' else 'a'} {one}, not {describe(plain(node))}"
        self.report(f"{_subject(path)} {rule}", node.place, path, "", self.plugins.known(marker.kind), rule=rule)
        return None

    def translate(self, error: ErrorDetails, model: type[Settings], node: Mapping, path: KeyPath) -> None:
        """A pydantic error, in our words and at its place."""
        place, where = locate(node, error["loc"])
        if error["type"] == "extra_forbidden":
            key = str(error["loc"][-1])
            inside = _model_at(model, error["loc"][:-1])
            known = _known_keys(inside)
            match = closest(key, known)
            hint = f"did you mean '{match}'?" if match else ""
            note = f"known keys: {', '.join(known)}" if known else "it has no options"
            if key == "<<":
                note = "merge keys are not part of the format; `defaults:` holds what every stage inherits"
            self.report(
                f"unknown key '{shorten(key)}'", key_place(node, error["loc"]), (*path, *error["loc"]), hint, note
            )
        elif error["type"] == "missing" and error["loc"] and isinstance(error["loc"][-1], int):
            expected, have = error["loc"][-1] + 1, len(error["input"])
            self.report(f"{_subject((*path, *where))} must hold {expected} entries, not {have}", place, (*path, *where))
        elif error["type"] == "missing":
            key = str(error["loc"][-1])
            self.report(f"{_subject((*path, *where))} has no '{key}'", place, (*path, *where))
        else:
            message, hint = say_error(error)
            self.report(f"{_subject((*path, *where))} {message}", place, (*path, *where), hint, rule=message)

    def report(
        self, message: str, place: Place, path: KeyPath, hint: str = "", *notes: str, rule: str | None = None
    ) -> None:
        # one value can break one rule twice (both sides of `size: 0`), and one default every stage: told once
        self.found.setdefault((rule or message, place), Diagnostic(message, place, path, hint, notes))


def _spell_out(model: type[Settings], node: Node) -> Node:
    """A bare text as the map that it is short for.

    Where `--set` or `extends` added keys to one, it stands under `type`, at the place of its own key.
    """
    if model.bare_key is None:
        return node
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return Mapping(node.place, {model.bare_key: Entry(node.place, node)})
    named = node.entries.get("type") if isinstance(node, Mapping) else None
    if isinstance(node, Mapping) and named is not None and named.key is named.node.place:
        rest = {key: entry for key, entry in node.entries.items() if key != "type"}
        return Mapping(node.place, {model.bare_key: named, **rest}, node.size)
    return node


def _known_keys(model: type[Settings]) -> list[str]:
    return sorted((*model.model_fields, *model.document_keys))


def _worth_telling(errors: list[ErrorDetails], failed: set[str], model: type[Settings]) -> Iterator[ErrorDetails]:
    """The errors, less those that another one explains: a missing key beside its misspelling, a short list twice,
    a list that is short for the entries that are wrong.
    """
    misspelt = {
        (*error["loc"][:-1], closest(str(error["loc"][-1]), _known_keys(_model_at(model, error["loc"][:-1]))))
        for error in errors
        if error["type"] == "extra_forbidden"
    }
    shortest = {error["loc"][:-1]: error for error in errors if error["loc"] and isinstance(error["loc"][-1], int)}
    wrong_within = {error["loc"][:-1] for error in errors}  # pydantic counts the entries that are right
    for error in errors:
        loc = error["loc"]
        near = {loc, (*loc[:-1], "extends")}  # what would have come from there is not missed
        told = (loc[:1] and loc[0] in failed) or (error["type"] == "missing" and near & misspelt)
        told = told or (error["type"] == "too_short" and loc in wrong_within)
        if not told and not (error["type"] == "missing" and shortest.get(loc[:-1], error) is not error):
            yield error


def locate(node: Node, path: Iterable[str | int]) -> tuple[Place, KeyPath]:
    """The place of the value at `path`, or of the nearest value around it that the document holds, and that path."""
    found: KeyPath = ()
    for part in path:
        if isinstance(node, Mapping) and part in node.entries:
            node = node.entries[str(part)].node
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            break
        found = (*found, part)
    return node.place, found


def point_at_option(
    options: Options, path: KeyPath, message: str, hint: str = "", notes: tuple[str, ...] = ()
) -> Diagnostic:
    """An error at an option that was read well, or at the nearest place around it that the document holds."""
    if options.read_at is None:
        return Diagnostic(message, None, path, hint, notes)
    node, outer = options.read_at
    place, found = locate(node, path)
    return Diagnostic(message, place, (*outer, *found), hint, notes)


def key_place(node: Node, path: KeyPath) -> Place:
    """The place of the last key of `path`, rather than of its value."""
    *parents, last = path
    for part in parents:
        node = node.entries[str(part)].node if isinstance(node, Mapping) else node.items[int(part)]  # type: ignore[union-attr]
    assert isinstance(node, Mapping)
    return node.entries[str(last)].key


def _model_at(model: type[Settings], loc: KeyPath) -> type[Settings]:
    for part in loc:
        shape = field_shapes(model).get(str(part))
        if shape is not None and shape.settings is not None:
            model = shape.settings
    return model


def _subject(path: KeyPath) -> str:
    return f"'{show_path(path)}'" if path else "the file"
