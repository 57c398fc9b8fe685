"""RegNet's width rule as a form of `stages`: four numbers instead of a list.  Radosavovic et al. 2020, section 3.3.

    stages: {block: bottleneck, expansion: 1, depth: 13, w0: 24, wa: 36.44, wm: 2.49, group_width: 8}

The width of block j is w0 + wa * j, rounded to the nearest w0 * wm^k, then to a multiple of 8 and of the group width.
Blocks of one width are a stage, whose first block is strided.
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated, TypeGuard

from pydantic import Field

from archspec.errors import Diagnostic, DocumentError
from archspec.offers import Settings
from archspec.plugins import Plugins
from archspec.spec.reader import Entry, Mapping, Node, Scalar, Sequence
from archspec.spec.settings import read_settings

_MULTIPLE = 8
_WRITTEN = ("filters", "repeats")
"""Options of a stage that the rule sets."""


class WidthRule(Settings):
    """The rule's numbers."""

    depth: Annotated[int, Field(ge=1, le=10_000)]
    """Blocks in all."""
    w0: Annotated[int, Field(ge=8, le=100_000)]
    """Width of the first block."""
    wa: Annotated[float, Field(ge=0, le=100_000)]
    """How much wider each block is."""
    wm: Annotated[float, Field(gt=1, le=100)]
    """The ratio of a stage's width to the one before."""
    group_width: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Channels in a group of the 3x3 convolutions, which every width is a multiple of."""


def is_width_rule(stages: Node) -> TypeGuard[Mapping]:
    """Whether `stages` is written as the rule."""
    return isinstance(stages, Mapping) and "w0" in stages.entries


def stage_widths(rule: WidthRule) -> list[tuple[int, int]]:
    """The width of each stage, and its blocks."""
    widths = []
    for block in range(rule.depth):
        power = round(math.log((rule.w0 + rule.wa * block) / rule.w0) / math.log(rule.wm))
        width = _MULTIPLE * round(rule.w0 * rule.wm**power / _MULTIPLE)
        group = min(rule.group_width or 1, width)
        widths.append(round(width / group) * group)
    return [(width, len(list(blocks))) for width, blocks in itertools.groupby(widths)]


def expand_widths(node: Mapping, plugins: Plugins) -> Sequence:
    """`stages` written as a width rule, as the list of stages that it stands for.

    Raises:
        DocumentError: a number of the rule is missing or wrong.

    """
    names = set(WidthRule.model_fields)
    if taken := [key for key in _WRITTEN if key in node.entries]:
        faults = [Diagnostic(f"the width rule says the {key}", node.entries[key].key, ("stages", key)) for key in taken]
        raise DocumentError(faults)
    numbers = Mapping(node.place, {key: entry for key, entry in node.entries.items() if key in names})
    rule = read_settings(WidthRule, numbers, plugins, ("stages",))
    shared = {key: entry for key, entry in node.entries.items() if key not in names - {"group_width"}}
    stages = Sequence(node.place)
    for width, repeats in stage_widths(rule):
        own = {"filters": (width, "w0"), "repeats": (repeats, "depth")}
        entries = {key: Entry(node.entries[of].key, Scalar(value, node.place)) for key, (value, of) in own.items()}
        strides = {} if "strides" in shared else {"strides": Entry(node.place, Scalar(2, node.place))}
        stages.items.append(Mapping(node.place, {**shared, **entries, **strides}))
    return stages
