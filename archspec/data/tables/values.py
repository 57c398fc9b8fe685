"""What the value of a row means: a path below the images' folder, the text of a label, a split."""

from __future__ import annotations

import math
import posixpath
import re
from pathlib import Path
from typing import Any

from archspec.data.splits import SPLITS, split_of
from archspec.errors import shorten

_WHOLE_AS_FLOAT = re.compile(r"[-+]?[0-9]+\.0+")


class BadValueError(Exception):
    """A value that means nothing, and a hint how to mend it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def read_path(value: Any, images: Path) -> str:
    r"""A path below the images' folder, with `/` for `\`, and without `.` and `..`."""
    if not isinstance(value, str | None):
        raise BadValueError("a path must be text")
    path = (value or "").strip().replace("\\", "/")
    if not path:
        raise BadValueError("the row has no path")
    if path.startswith("/") or re.match("[A-Za-z]:", path):
        hint = f"write it relative to '{images}'; `images` names another folder"
        raise BadValueError(f"'{shorten(path)}' is an absolute path", hint)
    path = posixpath.normpath(path)
    if path == ".." or path.startswith("../") or "\0" in path:
        raise BadValueError(f"'{shorten(path)}' lies outside the images' folder, '{images}'")
    return path


def read_label(value: Any) -> str:
    """A label as the name of a class: `3` of 3, "3" and 3.0.

    Whole numbers come with a fraction where pandas wrote a column that lacks one of them.
    """
    text = _text(value)
    if text is None:
        raise BadValueError("a label must be text or a number")
    if not text:
        raise BadValueError("the row has no label")
    return text


def read_number(value: Any) -> float:
    """A label that thresholds make a class of."""
    text = read_label(value)
    number = as_number(text)
    if number is None:
        raise BadValueError(f"the label '{shorten(text)}' is no number, and thresholds are given")
    return number


def read_split(value: Any) -> int:
    """A split's position in SPLITS."""
    text = _text(value) or ""
    split = split_of(text)
    if split is None:
        message = f"unknown split '{shorten(text)}'" if text else "the row has no split"
        raise BadValueError(message, f"splits: {', '.join(SPLITS)}; to leave the column aside: --set data.split=none")
    return SPLITS.index(split)


def as_number(text: str) -> float | None:
    """The finite number that a text is, if it is one."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    """Text and numbers as text, empty for nothing; None for what is neither."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    return text.partition(".")[0] if _WHOLE_AS_FLOAT.fullmatch(text) else text
