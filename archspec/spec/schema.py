"""The language as a JSON Schema (draft 2020-12): what editors complete and check with, through a YAML language server.

Options of every installed plugin are in it. A document that extends another one may hold parts of what a whole one
holds, so each offer stands in it twice: whole, and with nothing required.

Left to `archspec check` are what depends on numbers of several places, whether a whole number was written as 32.0, the
files that a document extends, and every shape. Stricter than `check` is the schema with a default that every part
overrides: nobody reads that.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from pydantic import PydanticUserError

from archspec.offers import Offer, Offered, Options, Settings
from archspec.plugins import Plugins
from archspec.spec.arch import ArchSpec
from archspec.spec.describe import field_descriptions
from archspec.spec.fields import FieldShape, field_shapes
from archspec.spec.parts import Style
from archspec.spec.widths import WidthRule

Schema = dict[str, Any]

_EXTENDS: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "A file, relative to this one, or a name that comes with archspec: what this document starts from.",
}
_DEFAULTS = "What every stage inherits: any option of its block. Stem and head inherit the style."
_FROM_THE_RULE = ("filters", "repeats")
"""Options of a block that a width rule sets."""


def document_schema(model: type[Settings], plugins: Plugins) -> Schema:
    """The schema of a document that this model reads, such as a recipe."""
    return _Writer(plugins).document(model)


def spec_schema(plugins: Plugins) -> Schema:
    """The schema of a spec: its sections, `defaults`, and `stages` as a list or as a width rule."""
    return _SpecWriter(plugins).document(ArchSpec)


class _Writer:
    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.definitions: dict[str, Schema] = {}

    def document(self, model: type[Settings]) -> Schema:
        parts = self.properties(model, whole=False)
        wholes = self.properties(model, whole=True)
        stricter = {name: whole for name, whole in wholes.items() if whole != parts[name]}
        conditions = list(self.conditions())
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"archspec: {(model.__doc__ or model.__name__).splitlines()[0]}",
            "type": "object",
            "properties": {**parts, "extends": _EXTENDS},
            "additionalProperties": False,
            "if": {"required": ["extends"]},
            "else": {
                "required": list(_required(model)),
                "properties": stricter,
                **({"allOf": conditions} if conditions else {}),
            },
            "$defs": dict(sorted(self.definitions.items())),
        }

    def conditions(self) -> Iterator[Schema]:
        """What a document that extends nothing must fulfil beside."""
        yield from ()

    def properties(self, model: type[Settings], *, whole: bool) -> dict[str, Schema]:
        """A schema for each field of a model."""
        shapes, plain, said = field_shapes(model), self.plain(model), field_descriptions(model)
        found = {}
        for name in model.model_fields:
            schema = self.shaped(shapes[name], whole=whole) if name in shapes else plain.get(name, {})
            found[name] = {**schema, **({"description": said[name]} if name in said else {})}
        return found

    def shaped(self, shape: FieldShape, *, whole: bool) -> Schema:
        """The schema of a field that holds offers or other settings; the entries of a list are always whole."""
        if shape.many:
            several = {"type": "array", "minItems": 1, "items": self.shaped(shape.entry, whole=True)}
            alone = replace(shape, many=False, alone=False)
            return {"anyOf": [self.shaped(alone, whole=whole), several]} if shape.alone else several
        if shape.offered is not None:
            return self.offered(shape.offered, shape.base, whole=whole)
        assert shape.settings is not None
        forms = [self.settings(shape.settings, whole=whole)]
        forms += [{"type": "string", "minLength": 1}] if shape.settings.bare_key else []
        forms += [{"type": "null"}] if shape.optional else []
        return {"anyOf": forms} if len(forms) > 1 else forms[0]

    def settings(self, model: type[Settings], *, whole: bool) -> Schema:
        required = list(_required(model)) if whole else []
        return _object(self.properties(model, whole=whole), required, model.__doc__ or "")

    def offered(self, marker: Offered, base: type[Options], *, whole: bool) -> Schema:
        """A bare name, or a map of the name and the offer's options."""
        key = "-".join(filter(None, (marker.kind, marker.default, "" if whole else "part")))
        offers = [offer for offer in self.plugins.offers(marker.kind).values() if issubclass(offer.options, base)]
        if key not in self.definitions:
            self.definitions[key] = {}  # an offer may name offers of its own kind
            bare = [offer for offer in offers if self.stands_alone(offer)]
            names: Schema = {"enum": [o.name for o in bare], "enumDescriptions": [o.summary for o in bare]}
            maps = [self.offer(offer, marker, whole=whole) for offer in offers]
            forms = [*([names] if bare else []), *maps]
            self.definitions[key] = {"anyOf": forms} if forms else {"not": {}}  # nobody offers any
        default = {"default": marker.default} if marker.default else {}
        return {"$ref": _pointer(key), **default}

    def stands_alone(self, offer: Offer[Any]) -> bool:
        """Whether a bare name is enough."""
        return not any(_required(offer.options))

    def offer(self, offer: Offer[Any], marker: Offered, *, whole: bool) -> Schema:
        named: Schema = {"const": offer.name, "description": _summary(offer)}
        required = [] if offer.name == marker.default else [marker.key]
        required += _required(offer.options)
        properties = {marker.key: named, **self.properties(offer.options, whole=whole)}
        return self.define(offer, _object(properties, required if whole else [], _summary(offer)), whole)

    def define(self, offer: Offer[Any], schema: Schema, whole: bool) -> Schema:
        """A reference to a schema; an offer that is the default in one field and not in another has two."""
        key = f"{offer.kind}.{offer.name}" + ("" if whole else "-part")
        while self.definitions.setdefault(key, schema) != schema:
            key += "-default"
        return {"$ref": _pointer(key)}

    def plain(self, model: type[Settings]) -> dict[str, Schema]:
        """What pydantic says of a model's own fields; nothing, where it cannot say it in JSON."""
        template = f"{model.__name__}.{{model}}"
        try:
            with warnings.catch_warnings(action="ignore"):
                schema = model.model_json_schema(ref_template=_pointer(template))
        except PydanticUserError:
            return {}
        own = {
            name: _tidy(schema["properties"][name]) for name in model.model_fields if name not in field_shapes(model)
        }
        for name in _references(list(own.values()), schema.get("$defs", {}), template):
            self.definitions[template.format(model=name)] = _tidy(schema["$defs"][name])
        return own


class _SpecWriter(_Writer):
    @property
    def blocks(self) -> list[Offer[Any]]:
        return list(self.plugins.offers("blocks").values())

    def properties(self, model: type[Settings], *, whole: bool) -> dict[str, Schema]:
        found = super().properties(model, whole=whole)
        if model is not ArchSpec:
            return found
        rules = [self.width_rule(block, whole=whole) for block in self.blocks]
        shown = found["stages"].pop("description", "Groups of equal blocks: a list, or a width rule.")
        found["stages"] = {"anyOf": [found["stages"], *rules], "description": shown}
        return {**found, "defaults": self.defaults(whole=whole)}

    def stands_alone(self, offer: Offer[Any]) -> bool:
        return offer.kind == "blocks" or super().stands_alone(offer)

    def offer(self, offer: Offer[Any], marker: Offered, *, whole: bool) -> Schema:
        if offer.kind != "blocks":
            return super().offer(offer, marker, whole=whole)
        # what a block requires may come from `defaults`: `conditions` asks for it
        named: Schema = {"const": offer.name, "description": _summary(offer)}
        properties = {marker.key: named, **self.properties(offer.options, whole=True)}
        return self.define(offer, _object(properties, [marker.key], _summary(offer)), whole)

    def width_rule(self, block: Offer[Any], *, whole: bool) -> Schema:
        """`stages` as RegNet's rule for this block."""
        named: Schema = {"const": block.name, "description": _summary(block)}
        options = self.properties(block.options, whole=whole)
        numbers = self.properties(WidthRule, whole=whole)
        if "group_width" not in options:
            numbers.pop("group_width")
        own = {name: schema for name, schema in options.items() if name not in _FROM_THE_RULE}
        required = ["block", *_required(WidthRule)] if whole else []
        return _object({"block": named, **own, **numbers}, required, WidthRule.__doc__ or "")

    def defaults(self, *, whole: bool) -> Schema:
        """Any option of any block; one that several blocks know in different ways may be any of these."""
        known: dict[str, list[Schema]] = {}
        models: list[type[Settings]] = [Style, *(block.options for block in self.blocks)]
        for model in dict.fromkeys(models):
            for name, schema in self.properties(model, whole=whole).items():
                if schema not in known.setdefault(name, []):
                    known[name].append(schema)
        options = {name: found[0] if len(found) == 1 else {"anyOf": found} for name, found in sorted(known.items())}
        return {**_object(options, [], _DEFAULTS), "type": ["object", "null"]}

    def conditions(self) -> Iterator[Schema]:
        """A default that some stage knows; and for each stage what its block requires, or a default for it."""
        for name in sorted({name for block in self.blocks for name in block.options.model_fields}):
            knowing = [block.name for block in self.blocks if name in block.options.model_fields]
            if name not in Style.model_fields and len(knowing) < len(self.blocks):
                yield {"if": _with_default(name), "then": {"properties": {"stages": _some_stage(knowing)}}}
        for name in sorted({name for block in self.blocks for name in _required(block.options)}):
            needing = [block.name for block in self.blocks if name in _required(block.options)]
            yield {"if": {"not": _with_default(name)}, "then": {"properties": {"stages": _each_stage(needing, name)}}}


def _with_default(name: str) -> Schema:
    return {"required": ["defaults"], "properties": {"defaults": {"type": "object", "required": [name]}}}


def _of_block(names: list[str]) -> Schema:
    return {"anyOf": [{"enum": names}, {"required": ["block"], "properties": {"block": {"enum": names}}}]}


def _some_stage(names: list[str]) -> Schema:
    return {"if": {"type": "array"}, "then": {"contains": _of_block(names)}, "else": _of_block(names)}


def _each_stage(names: list[str], option: str) -> Schema:
    """Every stage of one of these blocks has the option; a width rule has it too, unless it sets it itself."""
    needs = {"if": _of_block(names), "then": {"type": "object", "required": [option]}}
    return {"if": {"type": "array"}, "then": {"items": needs}, **({} if option in _FROM_THE_RULE else {"else": needs})}


def _required(model: type[Settings]) -> Iterator[str]:
    """The fields that have neither a default nor an offer that stands in for one."""
    shapes = field_shapes(model)
    for name, field in model.model_fields.items():
        marker = shapes[name].offered if name in shapes else None
        if field.is_required() and (marker is None or marker.default is None):
            yield name


def _object(properties: dict[str, Schema], required: Iterable[str], description: str) -> Schema:
    return {
        "type": "object",
        "description": " ".join(description.split()),
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _summary(offer: Offer[Any]) -> str:
    return offer.summary if offer.origin.startswith("archspec ") else f"{offer.summary} (from {offer.origin})".strip()


def _pointer(key: str) -> str:
    return "#/$defs/" + key.replace("~", "~0").replace("/", "~1")


def _tidy(schema: Schema) -> Schema:
    """Without the titles that pydantic makes of names, and without a default of nothing, which no document can say."""
    return {key: value for key, value in schema.items() if key != "title" and not (key == "default" and value is None)}


def _references(schema: Any, definitions: dict[str, Schema], template: str) -> Iterator[str]:
    """The names of the definitions that a schema refers to, and those that they refer to."""
    seen: set[str] = set()
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        waiting += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        for name in definitions:
            if (
                isinstance(node, dict)
                and node.get("$ref") == _pointer(template.format(model=name))
                and name not in seen
            ):
                seen.add(name)
                waiting.append(definitions[name])
                yield name
