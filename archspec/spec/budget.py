"""`budget:` what a network may cost and must see. Read here; compared with a plan in `archspec.plan.budget`.

It is written `budget: {parameters: "< 12M", macs: "< 2G", receptive_field: ">= 200", activation_memory: "<= 64Mi"}`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from archspec.errors import shorten
from archspec.offers import Settings

if TYPE_CHECKING:
    from fractions import Fraction

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {**_DECIMAL, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_BOUND = re.compile(r"\s*(<=|>=|==|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", re.ASCII)
_LONGEST = 100
_SUCH_AS = "such as '< 12M' or '>= 200, < 900'"


@dataclass(frozen=True, slots=True)
class Bound:
    """One comparison that a figure must pass: `< 12M`."""

    operator: str
    limit: Fraction

    def holds(self, figure: int) -> bool:
        return _OPERATORS[self.operator](figure, self.limit)


def read_bounds(text: str) -> tuple[Bound, ...]:
    """`">= 200, < 900"` -> its two bounds; an empty text has none.

    Raises:
        ValueError: the text is no such list.

    """
    return tuple(_read_bound(part, _BINARY) for part in text.split(",") if text)


def _read_bound(text: str, suffixes: dict[str, int]) -> Bound:
    from fractions import Fraction  # exact, and most specs have no budget to pay its import for

    match = _BOUND.fullmatch(text)
    if match is None:
        raise ValueError(f"must be a comparison, {_SUCH_AS}, unlike '{shorten(text.strip(), 40)}'")
    sign, number, suffix = match.groups()
    if suffix not in suffixes:
        known = ", ".join(filter(None, suffixes))
        raise ValueError(f"has an unknown suffix, '{shorten(suffix, 40)}': here they are {known}")
    return Bound(sign, Fraction(number) * suffixes[suffix])


def _refuse_number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"must be a comparison: write '<= {value}' or '>= {value}'")
    if value is None:
        raise ValueError(f"must be a comparison, {_SUCH_AS}, not nothing")
    return value


def _check(text: str, suffixes: dict[str, int]) -> str:
    for part in text.split(","):
        _read_bound(part, suffixes)
    return text


def _schema(suffixes: dict[str, int]) -> WithJsonSchema:
    bound = rf"\s*(<=|>=|==|<|>)\s*[0-9]+(\.[0-9]+)?\s*({'|'.join(filter(None, suffixes))})?\s*"
    return WithJsonSchema({"type": "string", "maxLength": _LONGEST, "pattern": f"^{bound}(,{bound})*$"})


_Text = Annotated[str, Field(max_length=_LONGEST)]
Count = Annotated[
    _Text | None,  # None where a spec has no such bound: a document cannot write it
    BeforeValidator(_refuse_number),
    AfterValidator(partial(_check, suffixes=_DECIMAL)),
    _schema(_DECIMAL),
]
Memory = Annotated[
    _Text | None,
    BeforeValidator(_refuse_number),
    AfterValidator(partial(_check, suffixes=_BINARY)),
    _schema(_BINARY),
]


class Budget(Settings):
    """Bounds on a network's figures: "< 12M", or ">= 200, < 900", where all must hold.

    Suffixes are k, M, G and T, and for memory Ki, Mi and Gi too. `archspec check` fails when a bound is broken.
    """

    parameters: Count = Field(None, examples=["< 12M"])
    """How many numbers are trained."""
    macs: Count = Field(None, examples=["< 2G"])
    """Multiply-adds for one image."""
    receptive_field: Count = Field(None, examples=[">= 200"])
    """Input pixels along an axis that one pixel of the last map can depend on."""
    activation_memory: Memory = Field(None, examples=["<= 64Mi"])
    """Bytes that training keeps for the backward pass, for one image in float32."""
