"""A row for each tensor of a network: what it takes from a file, or why it takes nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from torch import Tensor

from archspec.errors import WeightsError
from archspec.plan.operations import Conv
from archspec.plan.plan import Plan
from archspec.weights.heads import HeadChoice, choose_head, class_step
from archspec.weights.inputs import FORMULAS, adapt_input, choose_rule
from archspec.weights.pairing import COUNTER
from archspec.weights.settings import Matching

Action = Literal["copied", "adapted", "reset", "missing"]
ACTIONS: tuple[Action, ...] = ("copied", "adapted", "reset", "missing")


@dataclass(frozen=True)
class Row:
    """One tensor of the network."""

    name: str
    shape: tuple[int, ...]
    trained: bool
    action: Action
    """`reset` is meant to begin afresh, `missing` is not."""
    theirs: str | None = None
    """The tensor of the file."""
    their_shape: tuple[int, ...] | None = None
    reason: str = ""
    value: Tensor | None = field(default=None, repr=False, compare=False)
    here: tuple[int, ...] | None = None
    """The rows that `value` fills, where it does not fill all."""
    allowed: bool = False
    """Whether it may be missing."""

    @property
    def parameters(self) -> int:
        return math.prod(self.shape) if self.trained else 0

    @property
    def filled(self) -> int:
        """How many of its parameters take values of the file."""
        return self.value.numel() if self.value is not None and self.trained else 0

    @property
    def wanted(self) -> int:
        """How many of its parameters should: not those that are meant to begin afresh."""
        return self.filled if self.action in ("reset", "adapted") or self.allowed else self.parameters

    def record(self) -> dict[str, Any]:
        shapes = {"shape": list(self.shape), "file_shape": None if self.their_shape is None else list(self.their_shape)}
        counts = {"parameters": self.parameters, "filled": self.filled}
        return {
            "name": self.name, "action": self.action, "file_name": self.theirs, **shapes, **counts,
            "reason": self.reason or None, "allowed": self.allowed,
        }  # fmt: skip


@dataclass(frozen=True)
class Ends:
    """The tensors at a network's two ends, which may be of another size in the file."""

    inputs: frozenset[str]
    head: frozenset[str]
    choice: HeadChoice


def find_ends(
    plan: Plan,
    names: Mapping[str, str],
    tensors: Mapping[str, Tensor],
    how: Matching,
    classes: tuple[Sequence[str] | None, Sequence[str] | None],
) -> Ends:
    """The convolutions that read the image, the head, and what becomes of it; `classes` are those here and there.

    Raises:
        WeightsError: as `choose_head`.

    """
    inputs = {f"{step.name}.weight" for step in plan.steps if 0 in step.inputs and isinstance(step.operation, Conv)}
    last = class_step(plan)
    if last is None:
        return Ends(frozenset(inputs), frozenset(), HeadChoice("copied"))
    head = {f"{last.name}.{tensor}": shape for tensor, shape in last.operation.parameters().items()}
    found = {name: tensors[names[name]] for name in head if names.get(name) in tensors}
    there = next((tensor.shape[0] if tensor.ndim else 0 for tensor in found.values()), 0)
    if how.head == "reset":
        choice = HeadChoice("reset", "as asked")
    elif not found:
        choice = HeadChoice("reset", "the file has no head")
    elif all(_class_rows(tensor, head[name]).shape == (there, *head[name][1:]) for name, tensor in found.items()):
        choice = choose_head(how.head, (plan.output[0], there), *classes)
    else:  # other features, and not only other classes
        choice = HeadChoice("copied")
    return Ends(frozenset(inputs), frozenset(head), choice)


def make_rows(
    plan: Plan, names: Mapping[str, str], tensors: Mapping[str, Tensor], how: Matching, ends: Ends
) -> Iterator[Row]:
    """A row for each tensor of the plan, in its order.

    Raises:
        WeightsError: the input rule does not do for these channels.

    """
    for name, shape, trained in plan.tensors():
        theirs = names.get(name)
        tensor = tensors.get(theirs) if theirs is not None else None
        row = Row(name, shape, trained, "missing", reason="not in the file")
        if tensor is not None:
            row = replace(row, theirs=theirs, their_shape=tuple(tensor.shape), reason="")
            yield _filled(row, tensor, how, ends)
        elif name in ends.head and ends.choice.action == "reset":
            yield replace(row, action="reset", reason=ends.choice.reason)
        elif name.endswith(COUNTER) and names.get(name.replace(COUNTER, "running_var")) in tensors:
            yield replace(row, action="reset", reason="a counter that old files lack")
        else:
            yield row


def _filled(row: Row, tensor: Tensor, how: Matching, ends: Ends) -> Row:
    """The row with what it takes of the file's tensor."""
    if row.name in ends.head and ends.choice.action != "copied":
        return _of_head(row, tensor, ends.choice)
    value = reshaped(tensor, row.shape)
    if tuple(value.shape) == row.shape:
        return replace(row, action="copied", value=value)
    if row.name in ends.inputs and _other_channels(value, row.shape):
        there, here = value.shape[1], row.shape[1]
        rule = choose_rule(how.input_rule, there, here)
        reason = f"{there} input channels there, {here} here: {rule}, {FORMULAS[rule]}"
        return replace(row, action="adapted", value=adapt_input(value, here, rule), reason=reason)
    return replace(row, reason=f"{row.their_shape} there, {row.shape} here")


def _of_head(row: Row, tensor: Tensor, choice: HeadChoice) -> Row:
    if choice.action == "reset":
        return replace(row, action="reset", reason=choice.reason)
    value = _class_rows(tensor, row.shape)[list(choice.there)]
    return replace(row, action="adapted", value=value, here=choice.here, reason=choice.reason)


def _class_rows(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A head's tensor with as many rows as it has, each in the shape that a row has here."""
    return reshaped(tensor, (*tensor.shape[:1], *shape[1:]))


def _other_channels(value: Tensor, shape: tuple[int, ...]) -> bool:
    there = tuple(value.shape)
    return len(there) == 4 and (there[0], *there[2:]) == (shape[0], *shape[2:])


def reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A linear layer's matrix as the 1x1 convolution that it is, a factor (C, 1, 1) as (C,); any other as it is."""
    same = tuple(size for size in tensor.shape if size != 1) == tuple(size for size in shape if size != 1)
    return tensor.reshape(shape) if same else tensor


def allow_missing(rows: Sequence[Row], patterns: Sequence[str]) -> tuple[Row, ...]:
    """The rows, those that are missing and match a pattern allowed.

    Raises:
        WeightsError: a pattern matches no tensor of the network.

    """
    for pattern in patterns:
        if not any(_matches(row.name, pattern) for row in rows):
            parts = dict.fromkeys(re.match(r"stages\.\d+|[^.]+", row.name)[0] for row in rows)  # type: ignore[index]
            help = f"a pattern is of the network's own names, which begin with {', '.join(parts)}"
            raise WeightsError(f"'{pattern}' matches no tensor of the network", help=help)
    return tuple(
        replace(row, allowed=True)
        if row.action == "missing" and any(_matches(row.name, pattern) for pattern in patterns)
        else row
        for row in rows
    )


def _matches(name: str, pattern: str) -> bool:
    """Whether a tensor's name, or the name of a module around it, matches."""
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[:depth]), pattern) for depth in range(1, len(parts) + 1))
