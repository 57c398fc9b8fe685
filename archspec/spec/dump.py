"""Writes settings back as YAML: what a run directory keeps, with every option spelled out."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import yaml

from archspec.offers import Offered, Options, Settings
from archspec.spec.fields import FieldShape, field_shapes
from archspec.spec.reader import read_scalar


def to_data(settings: Settings) -> dict[str, Any]:
    """The settings as plain maps, lists and values, from which they can be read again.

    A field that holds None because nothing was said is left out: a document says it by its absence.
    """
    shapes = field_shapes(type(settings))
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    unsaid = {name for name, field in type(settings).model_fields.items() if field.default is None}
    return {
        name: _value(value, shapes.get(name))
        for name, value in values.items()
        if not (value is None and name in unsaid)
    }


def _value(value: Any, shape: FieldShape | None) -> Any:
    if isinstance(value, tuple):
        one = replace(shape, many=False) if shape else None
        return [_value(item, one) for item in value]
    if isinstance(value, Options) and shape is not None and isinstance(shape.offered, Offered):
        options = to_data(value)
        name = value.offer.name
        return {shape.offered.key: name, **options} if options else name
    return to_data(value) if isinstance(value, Settings) else value


class _Dumper(yaml.SafeDumper):
    """Writes a map of plain values on one line, as a person writes a stage."""


def _short(dumper: yaml.SafeDumper, data: dict[str, Any]) -> yaml.Node:
    flow = not any(isinstance(value, dict | list) and value for value in data.values())
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=flow)


def _list(dumper: yaml.SafeDumper, data: Collection[Any]) -> yaml.Node:
    flow = not any(isinstance(value, dict | list | tuple) for value in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    """Text in quotes wherever YAML 1.2 would read it as something else: PyYAML asks YAML 1.1."""
    style = None if isinstance(read_scalar(data), str) else "'"
    style = style if data.isprintable() else '"'  # on one line, with escapes
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(dict, _short)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(tuple, _list)
_Dumper.add_representer(str, _text)


class _Document(dict[str, Any]):
    """A map that is written a key a line, however short it is."""


_Dumper.add_representer(_Document, lambda d, data: d.represent_mapping("tag:yaml.org,2002:map", data.items(), False))


class _LineDumper(_Dumper):
    """Writes everything on one line."""


_LineDumper.add_representer(dict, lambda d, data: d.represent_mapping("tag:yaml.org,2002:map", data.items(), True))


def to_yaml(settings: Settings) -> str:
    """The settings as YAML text."""
    return data_to_yaml(to_data(settings))


def data_to_yaml(data: dict[str, Any]) -> str:
    """A map of plain maps, lists and values as YAML text."""
    return yaml.dump(_Document(data), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def data_to_line(key: str, value: Any) -> str:
    """`key: value` on one line of YAML, maps in braces."""
    line = yaml.dump({key: value}, Dumper=_LineDumper, sort_keys=False, width=math.inf, allow_unicode=True)
    return line.strip()[1:-1]
