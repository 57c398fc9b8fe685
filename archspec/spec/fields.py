"""Which fields of a settings model hold offers or other settings, and how a document writes them."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from types import UnionType
from typing import Any

from archspec.offers import Offered, Options, Settings


@dataclass(frozen=True)
class FieldShape:
    """How one field of a settings model is read."""

    settings: type[Settings] | None = None
    offered: Offered | None = None
    base: type[Options] = Options
    """What the options of an offer must derive from."""
    many: bool = False
    alone: bool = False
    """Whether one of the many may stand without its list, and is then kept without it."""
    optional: bool = False
    """Whether a document may say `null`."""

    @property
    def entry(self) -> FieldShape:
        """How one of the many is read, which has to name its offer."""
        offered = self.offered and replace(self.offered, default=None)
        return replace(self, offered=offered, many=False, alone=False)


@cache
def field_shapes(model: type[Settings]) -> dict[str, FieldShape]:
    """Which fields of a model hold offers or other settings; every other field is a plain value."""
    shapes = {name: _shape(field.annotation, field.metadata) for name, field in model.model_fields.items()}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def _shape(annotation: Any, metadata: Iterable[Any]) -> FieldShape | None:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    for marker in metadata:
        if isinstance(marker, Offered):  # on `Options`, or on `Options | None`
            return FieldShape(offered=marker, base=arguments[0] if arguments else annotation)
    if origin is typing.Annotated:
        return _shape(arguments[0], arguments[1:])
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        inner = _shape(arguments[0], ())
        return None if inner is None else replace(inner, many=True)
    if origin in (typing.Union, UnionType) and len(arguments) == 2 and typing.get_origin(arguments[1]) is tuple:
        one, several = _shape(arguments[0], ()), _shape(arguments[1], ())
        return None if one is None or several is None else replace(one, many=True, alone=True)
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return FieldShape(settings=annotation)
    if origin in (typing.Union, UnionType) and len(arguments) == 2 and arguments[1] is type(None):
        inner = _shape(arguments[0], ())
        return None if inner is None or inner.settings is None else replace(inner, optional=True)
    return None
