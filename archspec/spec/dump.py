"""Writes settings back as YAML: what a run directory keeps, with every option spelled out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml

from archspec.offers import Offered, Options, Settings
from archspec.spec.reader import read_scalar
from archspec.spec.settings import FieldShape, field_shapes


def to_data(settings: Settings) -> dict[str, Any]:
    """The settings as plain maps, lists and values, from which they can be read again."""
    shapes = field_shapes(type(settings))
    return {name: _value(getattr(settings, name), shapes.get(name)) for name in type(settings).model_fields}


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


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    """Text in quotes wherever YAML 1.2 would read it as something else: PyYAML asks YAML 1.1."""
    style = None if isinstance(read_scalar(data), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(dict, _short)
_Dumper.add_representer(str, _text)


def to_yaml(settings: Settings) -> str:
    """The settings as YAML text."""
    return yaml.dump(to_data(settings), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
