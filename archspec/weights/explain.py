"""Why a file does not fit a network, and what that most likely means."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch

from archspec.errors import WeightsError, shorten
from archspec.plan.plan import Plan
from archspec.weights.pairing import COUNTER
from archspec.weights.rows import Row
from archspec.weights.suggest import fitting_specs

_SHOWN = 3
_BLOCK = re.compile(r"stages\.(\d+)\.(\d+)\.(.+)")


def say_faults(
    plan: Plan, source: str, rows: Sequence[Row], unused: Mapping[str, tuple[int, ...]], coverage: float, enough: float
) -> WeightsError | None:
    """The error that refuses a file, or None for one that fits."""
    missing = [row for row in rows if row.action == "missing" and not row.allowed]
    if coverage < enough:
        share = f"it gives values to {coverage:.1%} of the parameters, under {enough:.0%}"
        cause, help = say_cause(plan, missing, rows, unused), _say_help(rows, unused)
        return WeightsError(f"{source} does not fit {plan.name}: {share}; {cause}", help=help)
    statistics = [row.name for row in missing if not row.trained and not row.name.endswith(COUNTER)]
    if statistics:
        message = f"{source} does not fit {plan.name}: it lacks statistics of norms: {_some(statistics)}"
        return WeightsError(message, help=f"allow it by name: --allow {statistics[0]}")
    broken = [row.name for row in rows if row.value is not None and not bool(torch.isfinite(row.value).all())]
    if broken:
        return WeightsError(f"{source} holds values that are no finite numbers: {_some(broken)}")
    return None


def _say_help(rows: Sequence[Row], unused: Mapping[str, tuple[int, ...]]) -> str:
    """How to mend it: with the spec that the file is of, where the zoo has it."""
    known = list(itertools.islice(fitting_specs(shapes_there(rows, unused)), _SHOWN))
    if known:
        return f"of the zoo, {' or '.join(known)} has its tensors"
    if _nothing_fits(rows):
        return "pair them with --map FILE, or by --match order"
    return "name another spec, or allow what may be missing: --allow 'stages.3.*', or --allow-missing"


def shapes_there(rows: Sequence[Row], unused: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shapes of all tensors of the file."""
    taken = {row.theirs: row.their_shape for row in rows if row.theirs is not None and row.their_shape is not None}
    return {**taken, **unused}


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
    gone = set(absent)
    have: dict[str, list[str]] = {}
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
    numbered = [(stage, int(block)) for stage, _, block in (name.rpartition(".") for name in blocks)]
    for _, run in itertools.groupby(enumerate(numbered), lambda item: (item[1][0], item[1][1] - item[0])):
        (stage, first), *rest = [entry for _, entry in run]
        ranges.append(f"{stage}.{first}" + (f"-{rest[-1][1]}" if rest else ""))
    return ranges


def group_names(names: Iterable[str]) -> Iterator[str]:
    """Names in few words: `head.linear.weight, bias`; `layer1.2-3.* (12 tensors)` for all of two blocks."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_around(name), []).append(name)
    for blocks, run in itertools.groupby(groups.items(), lambda group: _is_block(*group)):
        if blocks:
            members = dict(run)
            for block in block_ranges(members):
                first, _, last = block.rpartition(".")[2].partition("-")
                stage = block.rpartition(".")[0]
                inside = sum(len(members[f"{stage}.{number}"]) for number in range(int(first), int(last or first) + 1))
                yield f"{block}.* ({inside:,} tensors)"
        else:
            for group, found in run:
                yield _few(group, found)


def _around(name: str) -> str:
    """The block around a tensor, or the module."""
    match = re.match(r"(.*?\d+\.\d+)\.", name)
    return match[1] if match else name.rpartition(".")[0]


def _is_block(group: str, members: Sequence[str]) -> bool:
    return re.search(r"\.\d+$", group) is not None and len(members) > 2


def _few(group: str, members: Sequence[str]) -> str:
    modules = {name.rpartition(".")[0] for name in members}
    if len(modules) == 1 and len(members) <= 2:
        return ", ".join([members[0], *(name.rpartition(".")[2] for name in members[1:])])
    return f"{group}.* ({len(members):,} tensors)"
