"""pydantic's errors in our words."""

from __future__ import annotations

from typing import Any

from pydantic_core import ErrorDetails

from archspec.errors import shorten
from archspec.offers import Settings
from archspec.plugins import closest
from archspec.spec.reader import read_scalar


def describe(value: Any) -> str:
    """A value as the user may know it: `the text 'x'`, `a list of 3`, `nothing`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text '{shorten(value, 40)}'"
    if isinstance(value, tuple | list):
        return f"a list of {len(value)}"
    return "a map" if isinstance(value, dict | Settings) else str(value)


_MUST_BE = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "finite_number": "a finite number",
    "model_type": "a map",
    "dict_type": "a map",
}
_MUST_COMPARE = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def say_error(error: ErrorDetails) -> tuple[str, str]:
    """What pydantic found, as the end of a sentence, and a hint."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind in _MUST_BE:
        return f"must be {_MUST_BE[kind]}, not {describe(value)}", _type_hint(kind, value)
    if kind in _MUST_COMPARE:
        words, bound = _MUST_COMPARE[kind]
        return f"must be {words} {context[bound]:,}, not {value:,}", ""
    if kind == "literal_error":
        expected = context["expected"]
        known = expected.replace("'", "").replace(" or ", ", ").split(", ")
        match = closest(value, known) if isinstance(value, str) else None
        return f"must be {expected}, not {describe(value)}", f"did you mean '{match}'?" if match else ""
    if kind == "too_short":
        least = context["min_length"]
        return f"must hold at least {least} {'entry' if least == 1 else 'entries'}, not {context['actual_length']}", ""
    if kind == "too_long":
        return f"must hold {context['max_length']} entries, not {context['actual_length']}", ""
    if kind == "string_too_short":
        return "must not be empty", ""
    if kind == "string_too_long":
        return f"must be at most {context['max_length']} characters long, not {len(value)}", ""
    if kind == "value_error":
        return str(context["error"]), ""
    return f"is wrong: {error['msg'].lower()}", ""


def _type_hint(kind: str, value: Any) -> str:
    """How to mend a value of the wrong type, where that is plain."""
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "write it in quotes"
    if kind in ("int_type", "float_type") and isinstance(value, str) and isinstance(read_scalar(value), int | float):
        return "take the quotes away"
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if kind == "bool_type" and value in ("yes", "no", "on", "off"):
        return f"write {'true' if value in ('yes', 'on') else 'false'}"
    return ""
