"""Writes data as YAML, each line with a comment that says where its values came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archspec.errors import KeyPath
from archspec.spec.dump import data_to_line
from archspec.spec.origin import Origin

_WIDEST = 100
"""A line of values, without its comment."""
_COLUMN = 64
"""The comments begin here at the latest, where a line is not longer."""

Line = tuple[str, str]
"""A line of YAML, and its comment."""
Comments = str | dict[str | int, Any]
"""The comment of a single value, or those of a map's or list's parts."""


def annotate(data: dict[str, Any], origins: dict[KeyPath, Origin]) -> str:
    """The data as YAML that reads back as the same data. Values of one origin that fit on a line share it."""
    lines = list(_map(data, _nest(data, (), origins)))
    column = min(_COLUMN, max((len(text) for text, comment in lines if comment), default=0))
    return "".join(f"{text:{column}}  # {comment}\n" if comment else f"{text}\n" for text, comment in lines)


def _nest(data: Any, path: KeyPath, origins: dict[KeyPath, Origin]) -> Comments:
    if path in origins or not data:
        return str(origins[path]) if path in origins else ""
    parts = data.items() if isinstance(data, dict) else enumerate(data)
    return {key: _nest(value, (*path, key), origins) for key, value in parts}


def _differing(comments: Comments) -> set[str]:
    return set().union(*map(_differing, comments.values())) if isinstance(comments, dict) else {comments}


def _map(data: dict[str, Any], comments: Comments) -> Iterator[Line]:
    assert isinstance(comments, dict)
    for key, value in data.items():
        yield from _entry(key, value, comments[key])


def _entry(key: str, value: Any, comments: Comments) -> Iterator[Line]:
    if isinstance(comments, str):
        yield data_to_line(key, value), comments
        return
    found = _differing(comments)
    if len(found) == 1 and len(line := data_to_line(key, value)) <= _WIDEST:
        yield line, found.pop()
        return
    yield data_to_line(key, None).removesuffix(" null"), ""
    if isinstance(value, dict):
        yield from ((f"  {text}", comment) for text, comment in _map(value, comments))
        return
    for index, item in enumerate(value):
        yield from _item(item, comments[index])


def _item(item: Any, comments: Comments) -> Iterator[Line]:
    """An entry of a list: `- ` before its first line, and the others under that."""
    if not isinstance(item, dict) or isinstance(comments, str):
        yield f"  - {data_to_line('x', item).removeprefix('x: ')}", ", ".join(sorted(_differing(comments)))
        return
    for number, (text, comment) in enumerate(_map(item, comments)):
        yield f"  {'  ' if number else '- '}{text}", comment
