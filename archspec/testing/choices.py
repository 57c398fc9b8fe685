"""Which values of an option are worth a try: the default, every name and switch, and small numbers within bounds."""

from __future__ import annotations

import itertools
import math
import random
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import PydanticUserError
from pydantic.fields import FieldInfo

from archspec.offers import Settings
from archspec.plugins import Plugins
from archspec.spec.fields import FieldShape, field_shapes

ABSENT: Any = object()
"""Stands for an option that the document does not name, which so keeps its default."""
_REQUIRED: Any = object()
"""Stands for the default of an option that has none."""

Values = dict[str, list[Any]]
"""For each option the values to try, the usual one first."""

_SHARED: dict[str, tuple[int, ...]] = {
    "filters": (64, 48, 96),
    "strides": (1, 2, 3),
    "repeats": (2, 3, 1),
    "classes": (3, 10, 2, 1),
}
"""Numbers for the options that every stem, block or head has: wide enough that no group of channels is one channel."""
_TRIES = 4
"""So often a value that was impossible is tried again among other ones."""


def option_values(model: type[Settings], plugins: Plugins, held: Iterable[str] = ()) -> Values:
    """The values to try of every option of a model but those that are held.

    Raises:
        ValueError: an option is required, and its type does not say what it may hold.

    """
    shapes, schema = field_shapes(model), _schema(model)
    values: Values = {}
    for name, field in model.model_fields.items():
        if name in held:
            continue
        shape, described = shapes.get(name), schema["properties"].get(name, {})
        if shape is not None:
            found = _settings_values(shape, plugins)
        else:
            found = list(_plain_values(described, schema.get("$defs", {}), _SHARED.get(name)))
        default = _default(field, shape)
        if default is not _REQUIRED:
            found = [ABSENT, *(value for value in found if value != default)]
        if not found:
            message = f"'{name}' of {model.__name__} is required, and its type does not say what to try: hold it"
            raise ValueError(f"{message} in `options`")
        values[name] = _distinct(found)
    return values


def _default(field: FieldInfo, shape: FieldShape | None) -> Any:
    """What a document that does not name the field means, as it would write it; `_REQUIRED` if it must."""
    if shape is not None and shape.offered is not None and shape.offered.default is not None:
        return shape.offered.default
    if field.is_required():
        return _REQUIRED
    return _as_document(field.get_default(call_default_factory=True, validated_data={}))


def _schema(model: type[Settings]) -> dict[str, Any]:
    """What pydantic says of a model's fields; nothing, where it cannot say it in JSON."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return model.model_json_schema()
    except PydanticUserError:
        return {"properties": {}}


def _settings_values(shape: FieldShape, plugins: Plugins) -> list[Any]:
    """Every offer of a kind by its name, with what it requires; or a nested map, one option changed at a time."""
    if shape.settings is not None:
        found = _variants(option_values(shape.settings, plugins))
    else:
        assert shape.offered is not None
        kind, key = shape.offered.kind, shape.offered.key
        offers = {n: o for n, o in plugins.offers(kind).items() if issubclass(o.options, shape.base)}
        offers = {n: o for n, o in offers.items() if not _names_offers(o.options, kind)}  # or they nest without end
        required = {name: _variants(option_values(offer.options, plugins))[0] for name, offer in offers.items()}
        found = [{key: name, **options} if options else name for name, options in required.items()]
    return [[value] for value in found] if shape.many else found


def _names_offers(model: type[Settings], kind: str) -> bool:
    return any(shape.offered is not None and shape.offered.kind == kind for shape in field_shapes(model).values())


def _variants(values: Values) -> list[Any]:
    usual = {name: found[0] for name, found in values.items()}
    changed = [{**usual, name: value} for name, found in values.items() for value in found[1:]]
    return [without_absent(variant) for variant in (usual, *changed)]


def without_absent(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a document names."""
    return {name: value for name, value in values.items() if value is not ABSENT}


def _plain_values(schema: Mapping[str, Any], definitions: Mapping[str, Any], numbers: Any) -> Iterator[Any]:
    """Values that a JSON schema allows; `numbers` are the whole numbers to take, where the option's name says so."""
    if "$ref" in schema:
        yield from _plain_values(definitions[schema["$ref"].rpartition("/")[2]], definitions, numbers)
    for part in schema.get("anyOf", schema.get("oneOf", ())):
        yield from _plain_values(part, definitions, numbers)
    if "enum" in schema or "const" in schema:
        yield from schema.get("enum", [schema.get("const")])
    elif schema.get("type") == "boolean":
        yield from (False, True)
    elif schema.get("type") in ("integer", "number"):
        yield from _numbers(schema, numbers)
    elif schema.get("type") == "array":
        yield from _lists(schema, definitions, numbers)


def _numbers(schema: Mapping[str, Any], numbers: tuple[int, ...] | None) -> Iterator[int | float]:
    """Whole numbers: the three least. Fractions: the least, and some steps above it."""
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    step = schema.get("multipleOf", 1)
    if schema["type"] == "integer":
        start = 1 if least is None else -(-least // step) * step
        tried: Iterable[int | float] = numbers or (start + step * count for count in range(4))
    else:
        tried = ((least or 0.0) + share * step for share in (0.0, 0.5, 1.0, 2.0) if share or least is not None)
    allowed = (value for value in tried if _within(value, schema))
    yield from itertools.islice(allowed, len(numbers) if numbers else 3)


def _within(value: float, schema: Mapping[str, Any]) -> bool:
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    return bool(least <= value <= most and above < value < below)


def _lists(schema: Mapping[str, Any], definitions: Mapping[str, Any], numbers: Any) -> Iterator[list[Any]]:
    """Lists of the least length: each item's first value, each item's second, ..."""
    items = schema.get("prefixItems") or [schema.get("items", {})] * max(1, schema.get("minItems", 1))
    tried = [list(_plain_values(item, definitions, numbers)) for item in items]
    if all(tried):
        for number in range(max(map(len, tried))):
            yield [values[number % len(values)] for values in tried]


def _as_document(value: Any) -> Any:
    """A default as a document would write it."""
    return [_as_document(item) for item in value] if isinstance(value, tuple) else value


def _distinct(values: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for value in values:
        if not any(type(value) is type(other) and value == other for other in kept):
            kept.append(value)
    return kept


class Dealer:
    """Deals out a value for each option, until every value has been dealt in a case that is possible."""

    def __init__(self, values: Values, rng: random.Random) -> None:
        self.values = values
        self.rng = rng
        self.waiting = [(name, number) for name, found in values.items() for number in range(len(found))]
        rng.shuffle(self.waiting)
        self.refused: Counter[tuple[str, int]] = Counter()
        self.asked: list[tuple[str, int]] = []
        self.dealt: dict[str, int] = {}
        self.good: list[dict[str, int]] = []

    def deal(self) -> dict[str, Any]:
        """The usual values first; then half of them others, and among those some that still wait for their turn."""
        if not self.dealt:
            self.dealt = dict.fromkeys(self.values, 0)
        elif self.good and (refused := [pair for pair in self.waiting if self.refused[pair]]):
            self.asked = refused[:1]  # alone, in a case that was possible without it
            self.dealt = {**self.rng.choice(self.good), **dict(self.asked)}
        else:
            self.asked = list(dict(self.waiting[:3]).items())
            mixed = {name: self.rng.choice((0, self.rng.randrange(len(found)))) for name, found in self.values.items()}
            self.dealt = {**mixed, **dict(self.asked)}
        return without_absent({name: self.values[name][number] for name, number in self.dealt.items()})

    def accept(self) -> None:
        """The case was possible: its values have had their turn."""
        self.good.append(self.dealt)
        self.waiting = [(name, number) for name, number in self.waiting if self.dealt[name] != number]

    def refuse(self) -> None:
        """The case was impossible: what was asked for gets further turns, but not without end."""
        self.refused.update(self.asked)
        others = [pair for pair in self.waiting if pair not in self.asked]
        self.waiting = [*others, *(pair for pair in self.asked if self.refused[pair] < _TRIES)]
