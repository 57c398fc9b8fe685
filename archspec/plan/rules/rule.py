"""What a rule is, and how rules walk over a plan.

A rule is a function from a spec and its plan to findings. Its docstring is its explanation, in five parts: what it
finds, `Why:`, `Mend:`, and a fragment of a spec that is `Wrong:` and one that is `Right:`, which the tests run.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from archspec.errors import KeyPath
from archspec.plan.operations import Shape
from archspec.plan.plan import Block, Plan, Step
from archspec.spec.arch import ArchSpec

Severity = Literal["warning", "note"]
"""A warning is most likely a mistake; a note is a choice that its author should know of."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found, with figures, and where in the spec."""

    path: KeyPath
    message: str
    severity: Severity | None = None
    """Where it is milder than its rule."""


Find = Callable[[ArchSpec, Plan], Iterator[Finding]]


@dataclass(frozen=True)
class Explanation:
    """A rule in words."""

    summary: str
    why: str
    mend: str
    wrong: str
    right: str
    """`wrong` and `right` are YAML: keys that replace those of a sound spec."""


@dataclass(frozen=True)
class Rule:
    """One rule. `advice` is the one line that is printed with a finding."""

    code: str
    name: str
    severity: Severity
    advice: str
    find: Find

    @cached_property
    def explanation(self) -> Explanation:
        rest = inspect.cleandoc(self.find.__doc__ or "")
        parts = []
        for heading in ("Why:", "Mend:", "Wrong:", "Right:"):
            part, found, rest = rest.partition(f"\n{heading}")
            assert found, f"the docstring of rule {self.code} has no '{heading}'"
            parts.append(part)
        summary, why, mend, wrong = parts
        return Explanation(_one_line(summary), _one_line(why), _one_line(mend), _dedent(wrong), _dedent(rest))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _dedent(text: str) -> str:
    return textwrap.dedent(text.strip("\n")).strip()


def rule(code: str, name: str, severity: Severity, advice: str) -> Callable[[Find], Rule]:
    """Make a rule of a function."""
    return lambda find: Rule(code, name, severity, advice, find)


def parts(plan: Plan) -> Iterator[tuple[KeyPath, list[Block]]]:
    """The stem, every stage and the head, with their paths in the spec."""
    blocks: list[Block] = []
    for block in plan.blocks:
        if blocks and path_of(blocks[0]) != path_of(block):
            yield path_of(blocks[0]), blocks
            blocks = []
        blocks.append(block)
    yield path_of(blocks[0]), blocks


def path_of(block: Block) -> KeyPath:
    """`stages.3.0` -> `("stages", 3)`; the softmax behind the head belongs to it."""
    name, _, rest = block.name.partition(".")
    return (name, int(rest.partition(".")[0])) if name == "stages" else ("stem",) if name == "stem" else ("head",)


def typical_steps(plan: Plan) -> Iterator[tuple[KeyPath, Step]]:
    """The steps of every part's first two blocks: a stage's blocks are alike from its second on."""
    for path, blocks in parts(plan):
        for block in blocks[:2]:
            for step in plan.steps[block.start : block.stop]:
                yield path, step


def input_shape(plan: Plan, step: Step) -> Shape:
    """The shape that a step reads."""
    return plan.shape(step.inputs[0])


def size_of(shape: Shape) -> str:
    """`(64, 7, 7)` -> `7x7`."""
    return "x".join(map(str, shape[-2:]))
