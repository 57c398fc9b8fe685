"""Options that a settings file could not reach, or that break what they are read by."""

from __future__ import annotations

import itertools
import typing
from types import UnionType
from typing import Any

from archspec.offers import Options

_READERS = ("archspec", "pydantic")
"""Whose names are relied on. What a model of a plugin's takes from another of its own is its own matter."""


def shadowed(model: type[Options], kind: str) -> str | None:
    """What is wrong with the names of a model's options; None where nothing is."""
    key = "block" if kind == "blocks" else "type"
    for name, field in model.model_fields.items():
        if name == key:
            return f"its option '{name}' can never be set: under that key stands the name of the offer itself"
        for base in (base for base in model.__mro__[1:] if base.__module__.partition(".")[0] in _READERS):
            inherited = base.model_fields.get(name) if issubclass(base, Options) else None
            if inherited is not None and not _narrows(field.annotation, inherited.annotation):
                ours, theirs = _show(field.annotation), _show(inherited.annotation)
                return f"its option '{name}' is {ours}, and shadows that of {base.__name__}, which is {theirs}"
            if inherited is None and name in vars(base):
                return f"its option '{name}' shadows {base.__name__}.{name}, which archspec needs"
    return None


def _narrows(annotation: Any, inherited: Any) -> bool:
    """Whether all that an annotation allows is allowed by the one it takes the place of, as far as types tell."""
    allowed = _alternatives(inherited)
    types = tuple(part for part in allowed if isinstance(part, type))

    def fits(part: Any) -> bool:
        if any(part is other or (type(part) is type(other) and part == other) for other in allowed):
            return True
        if (origin := typing.get_origin(part)) is not None:
            like = [typing.get_args(other) for other in allowed if typing.get_origin(other) is origin]
            return origin in types or any(_narrow_each(typing.get_args(part), arguments) for arguments in like)
        return issubclass(part, types) if isinstance(part, type) else isinstance(part, types)

    return all(map(fits, _alternatives(annotation)))


def _narrow_each(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> bool:
    """Whether the arguments of a `tuple[...]` or the like narrow another's, one by one."""
    return len(ours) == len(theirs) and all(itertools.starmap(_narrows, zip(ours, theirs, strict=True)))


def _alternatives(annotation: Any) -> list[Any]:
    """The types of a union and the values of a literal, one by one."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _alternatives(arguments[0])
    if origin in (typing.Union, UnionType):
        return [part for argument in arguments for part in _alternatives(argument)]
    return list(arguments) if origin is typing.Literal else [annotation]


def _show(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
