"""What an offer of each kind promises: which shape it makes of which, and under which name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archspec.plan.builder import Value
from archspec.plan.plan import Step
from archspec.spec.parts import BlockOptions, HeadOptions

Complaint = str | None


def between(size: int, stride: int) -> tuple[int, int]:
    """The fewest and the most pixels that a stride leaves of `size`."""
    return size // stride, -(-size // stride)


def misfit(before: tuple[int, ...], after: tuple[int, ...], stride: int) -> Complaint:
    """Why a map is not what a stride makes of another: each side divided, and rounded up or down."""
    sides = list(zip(before[1:], after[1:], strict=True))
    if all(low <= made <= high for (low, high), made in ((between(side, stride), made) for side, made in sides)):
        return None
    expected = " x ".join(" or ".join(map(str, sorted(set(between(side, stride))))) for side, _ in sides)
    return f"makes {pixels(after)} px of {pixels(before)}, where a stride of {stride} makes {expected}"


def pixels(shape: tuple[int, ...]) -> str:
    """`(64, 8, 6)` -> `8x6`."""
    return "x".join(map(str, shape[1:]))


def _part(x: Value, made: Value, steps: list[Step], options: Any) -> Complaint:
    if len(made.shape) != 3:
        return f"it makes the vector {made.shape}, not a map (C, H, W)"
    return None


def _head(x: Value, made: Value, steps: list[Step], options: HeadOptions) -> Complaint:
    if made.shape != (options.classes,):
        return f"it makes {made.shape} for {options.classes} classes: a head ends in ({options.classes},)"
    return None


def _attention(x: Value, made: Value, steps: list[Step], options: Any, block_channels: int) -> Complaint:
    return _kept(x, made)


def _norm(x: Value, made: Value, steps: list[Step], options: Any, *, name: str, zero_init: bool) -> Complaint:
    return _kept(x, made) or _named(steps, name)


def _activation(x: Value, made: Value, steps: list[Step], options: Any, *, name: str) -> Complaint:
    return _kept(x, made) or _named(steps, name)


def _kept(x: Value, made: Value) -> Complaint:
    return f"it makes {made.shape} of {x.shape}, and must keep the shape" if made.shape != x.shape else None


def _named(steps: list[Step], name: str) -> Complaint:
    """Every step is `name`, or in a scope of it. A step without tensors may be numbered."""
    for step in steps:
        parts = step.name.split(".")
        numbers = [part.removeprefix(name) for part in parts if part.startswith(name)]
        if name not in parts and (step.operation.parameters() or not any(map(str.isdigit, numbers))):
            return f"it writes '{step.name}', and was asked for the name '{name}'"
    return None


def _shortcut(x: Value, made: Value, steps: list[Step], block: BlockOptions, channels: int) -> Complaint:
    if len(made.shape) != 3 or made.channels != channels:
        return f"it makes {made.shape} of {x.shape}, where the block has {channels} channels"
    wrong = misfit(x.shape, made.shape, block.strides)
    return f"it {wrong}" if wrong else None


CONTRACTS: dict[str, Callable[..., Complaint]] = {
    "stems": _part,
    "blocks": _part,
    "heads": _head,
    "attentions": _attention,
    "norms": _norm,
    "activations": _activation,
    "shortcuts": _shortcut,
}
"""By kind: called with the input, the output, the steps between, and what the offer was called with."""
