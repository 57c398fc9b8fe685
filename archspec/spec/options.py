"""What may be written for each option of a model, in words."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pydantic.errors import PydanticUserError

from archspec.offers import Settings, singular
from archspec.spec.describe import field_descriptions
from archspec.spec.fields import FieldShape, field_shapes


@dataclass(frozen=True)
class Option:
    """One option: what may be written for it, and what it means."""

    name: str
    value: str
    """`whole number from 1`, `a norm`, `eval, batch or update`."""
    required: bool
    default: Any
    """As a document would write it; null where there is none."""
    meaning: str

    def record(self) -> dict[str, Any]:
        return asdict(self)


def describe_options(model: type[Settings], prefix: str = "") -> Iterator[Option]:
    """An entry for each field of a model; the fields of settings inside it are named `input.size`."""
    shapes, said, schema = field_shapes(model), field_descriptions(model), _schema(model)
    for name, field in model.model_fields.items():
        shape = shapes.get(name)
        if shape is not None and shape.settings is not None:
            yield from describe_options(shape.settings, f"{prefix}{name}.")
            continue
        value = _offers_in_words(shape) if shape is not None else _in_words(schema.get(name, {}), schema)
        usual = shape.offered.default if shape is not None and shape.offered is not None else None
        required = field.is_required() and usual is None
        default = None if required else usual or _plain(field.get_default(call_default_factory=True, validated_data={}))
        yield Option(prefix + name, value, required, default, said.get(name, ""))


def _schema(model: type[Settings]) -> dict[str, Any]:
    """What pydantic says of the fields, with the definitions beside them; nothing, where it cannot say it in JSON."""
    try:
        with warnings.catch_warnings(action="ignore"):
            schema = model.model_json_schema(ref_template="{model}")
    except PydanticUserError:
        return {}
    return {**schema.get("$defs", {}), **schema.get("properties", {})}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)


def _offers_in_words(shape: FieldShape) -> str:
    assert shape.offered is not None
    if shape.many:
        return f"list of {shape.offered.kind.replace('_', ' ')}"
    one = singular(shape.offered.kind)
    return f"{'an' if one[0] in 'aeiou' else 'a'} {one}"


def _in_words(schema: dict[str, Any], others: dict[str, Any]) -> str:
    """What a JSON schema allows; `value`, where it says nothing of use."""
    if "$ref" in schema:
        return _in_words(others.get(schema["$ref"], {}), others)
    if choices := schema.get("anyOf", schema.get("oneOf")):
        return ", or ".join("null" if choice == {"type": "null"} else _in_words(choice, others) for choice in choices)
    if "enum" in schema or "const" in schema:
        *most, last = map(str, schema.get("enum", [schema.get("const")]))
        return f"{', '.join(most)} or {last}" if most else last
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return ("whole number" if kind == "integer" else "number") + _range(schema)
    if kind == "array":
        item: dict[str, Any] = schema.get("items") or next(iter(schema.get("prefixItems", [])), {})
        return f"list of {_in_words(item, others)}"
    return {"boolean": "true or false", "string": "text", "object": "map"}.get(str(kind), "value")


def _range(schema: dict[str, Any]) -> str:
    """` from 1 to 64`, ` above 0, below 1`, or nothing."""
    words = {"minimum": " from", "exclusiveMinimum": " above", "maximum": " to", "exclusiveMaximum": ", below"}
    return "".join(f"{word} {schema[key]:g}" for key, word in words.items() if key in schema)
