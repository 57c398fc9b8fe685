"""Why a file does not fit a network, and what that most likely means."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence

import torch

from archspec.errors import WeightsError, shorten
from archspec.plan.plan import Plan
from archspec.weights.rows import Row

_SHOWN = 3
_BLOCK = re.compile(r"stages\.(\d+)\.(\d+)\.(.+)")


def say_faults(
    plan: Plan, source: str, rows: Sequence[Row], unused: Mapping[str, object], coverage: float, enough: float
) -> WeightsError | None:
    """The error that refuses a file, or None for one that fits."""
    missing = [row for row in rows if row.action == "missing" and not row.allowed]
    if coverage < enough:
        share = f"it gives values to {coverage:.1%} of the parameters, under {enough:.0%}"
        help = "name the spec that the file is of, or allow what is missing: --allow 'stages.3.*', --allow-missing"
        cause = say_cause(plan, missing, rows, unused)
        if _nothing_fits(rows):
            help = "pair them with --map FILE, or by --match order"
        return WeightsError(f"{source} does not fit {plan.name}: {share}; {cause}", help=help)
    statistics = [row.name for row in missing if not row.trained]
    if statistics:
        message = f"{source} does not fit {plan.name}: it lacks statistics of norms: {_some(statistics)}"
        return WeightsError(message, help=f"allow it by name: --allow {statistics[0]}")
    broken = [row.name for row in rows if row.value is not None and not bool(torch.isfinite(row.value).all())]
    if broken:
        return WeightsError(f"{source} holds values that are no finite numbers: {_some(broken)}")
    return None


def _nothing_fits(rows: Sequence[Row]) -> bool:
    return all(row.theirs is None for row in rows)


def say_cause(plan: Plan, missing: Sequence[Row], rows: Sequence[Row], unused: Mapping[str, object]) -> str:
    """The likely cause, as the end of a sentence."""
    if _nothing_fits(rows):
        return f"none of its names is known, such as {_some(unused)}"
    absent = [row.name for row in missing if row.theirs is None]
    other = [row for row in missing if row.theirs is not None]
    gone = _whole_blocks(plan, absent)
    causes = []
    if gone:
        blocks = "block" if len(gone) == 1 else f"{len(gone)} blocks"
        causes.append(f"it lacks the {blocks} {', '.join(block_ranges(gone))}: it is of a network with fewer blocks")
    rest = [name for name in absent if not name.startswith(tuple(f"{block}." for block in gone))]
    if everywhere := _of_every_block(rest, plan, gone):
        causes.append(f"its blocks have no {', '.join(everywhere)}: they are of another kind")
    elif rest:
        causes.append(f"it lacks {_some(rest)}")
    if other:
        row = other[0]
        more = f", and {len(other) - 1:,} more" if len(other) > 1 else ""
        causes.append(f"{row.name} is {row.their_shape} there and {row.shape} here{more}: other widths or other blocks")
    return "; ".join(causes)


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(map(shorten, names[:_SHOWN])) + (f", ... ({len(names):,})" if len(names) > _SHOWN else "")


def _whole_blocks(plan: Plan, absent: Sequence[str]) -> list[str]:
    """The blocks of stages of which every tensor is absent."""
    gone, have = set(absent), {}
    for name, _, _ in plan.tensors():
        if match := _BLOCK.match(name):
            have.setdefault(f"stages.{match[1]}.{match[2]}", []).append(name)
    return [block for block, names in have.items() if gone.issuperset(names)]


def _of_every_block(absent: Sequence[str], plan: Plan, gone: Sequence[str]) -> list[str]:
    """The modules that are absent from every block that is there."""
    blocks = {block.name for block in plan.blocks if block.name.startswith("stages.")} - set(gone)
    found: dict[str, set[str]] = {}
    for name in absent:
        if match := _BLOCK.match(name):
            module = match[3].rpartition(".")[0]
            found.setdefault(module, set()).add(f"stages.{match[1]}.{match[2]}")
    return [module for module, where in found.items() if where == blocks and blocks]


def block_ranges(blocks: Iterable[str]) -> list[str]:
    """`stages.1.2`, `stages.1.3`, `stages.1.4` -> `stages.1.2-4`."""
    ranges = []
    numbers = [(int(stage), int(block)) for _, stage, block in (name.split(".") for name in blocks)]
    for _, run in itertools.groupby(enumerate(numbers), lambda item: (item[1][0], item[1][1] - item[0])):
        (stage, first), *rest = [number for _, number in run]
        ranges.append(f"stages.{stage}.{first}" + (f"-{rest[-1][1]}" if rest else ""))
    return ranges


def group_names(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by the module around them, such as a block: `layer1.2` for `layer1.2.conv1.weight`."""
    groups: dict[str, list[str]] = {}
    for name in names:
        parts = name.split(".")
        numbered = [place for place, part in enumerate(parts) if re.fullmatch(r"\D*\d+", part)][:2]
        depth = min(numbered[-1] + 1 if numbered else 1, max(1, len(parts) - 1))
        groups.setdefault(".".join(parts[:depth]), []).append(name)
    return groups
