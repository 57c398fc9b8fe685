"""Parameters by the parts of a network, and the parts that a set of parameters makes up. No torch here."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Iterable

from archspec.errors import CutError
from archspec.finetuning.treatment import ImpossibleFreezing, parameters_of
from archspec.plan.gates import Norm
from archspec.plan.plan import Plan
from archspec.plugins import closest

EVERYTHING = "everything"


def by_block(plan: Plan) -> dict[str, list[str]]:
    """The parameters of the stem, every block and the head, in order; what has none is left out."""
    found = {block.name: parameters_of(plan.steps[block.start : block.stop]) for block in plan.blocks}
    return {name: parameters for name, parameters in found.items() if parameters}


def by_part(plan: Plan) -> dict[str, list[str]]:
    """The parameters of the stem, every stage and the head, in order; what has none is left out."""
    found: dict[str, list[str]] = {}
    for name, parameters in by_block(plan).items():
        found.setdefault(part_of(name), []).extend(parameters)
    return found


def part_of(block: str) -> str:
    """`stages.2.0` -> `stages.2`; the stem and the head are parts themselves."""
    return block.rpartition(".")[0] if block.startswith("stages.") else block


def parameters_from(plan: Plan, start: str, option: str) -> list[str]:
    """The parameters from a block, or from a stage's first block, to the end. `option` is the one that names it.

    Raises:
        ImpossibleFreezing: nothing has that name, or no parameter stands behind it.

    """
    known = list(dict.fromkeys(name for block in plan.blocks for name in (part_of(block.name), block.name)))
    try:
        first = plan.blocks[plan.border(start)].start
    except CutError:
        match = closest(start, known)
        hint, help = f"did you mean '{match}'?" if match else "", f"stages and blocks: {', '.join(known)}"
        raise ImpossibleFreezing(f"'{start}' is no block of {plan.name}", option, hint=hint, help=help) from None
    if not (found := parameters_of(plan.steps[first:])):
        message = f"nothing trains: {plan.name} has no parameters from '{start}' on"
        raise ImpossibleFreezing(message, option, help="name an earlier block, such as head")
    return found


def nearest(pattern: str, names: Iterable[str]) -> list[str]:
    """The parameters, and the patterns of whole scopes, that a pattern was most likely meant to be."""
    names = list(names)
    parts = [name.split(".") for name in names]
    scopes = dict.fromkeys(".".join([*part[:end], "*"]) for part in parts for end in range(1, len(part)))
    return difflib.get_close_matches(pattern, [*scopes, *names], n=3, cutoff=0.5)


def norms_of(plan: Plan) -> list[str]:
    """The parameters of norms: of every operation that derives from `archspec.Norm`."""
    return parameters_of(step for step in plan.steps if isinstance(step.operation, Norm))


def name_ranges(plan: Plan, names: Collection[str]) -> tuple[str, ...]:
    """The parts that parameters make up: `stages.2 to head`, or `norms of stem to stages.3` and `head`.

    A block of which neither all, nor exactly the norms or the biases are among them is named as `part of` itself.
    """
    blocks, chosen, norms = by_block(plan), set(names), set(norms_of(plan))
    kinds = {block: _kind(set(parameters), chosen, norms) for block, parameters in blocks.items()}
    if set(kinds.values()) == {""}:
        return (EVERYTHING,)
    runs = [(kind, list(run)) for kind, run in itertools.groupby(blocks, key=kinds.__getitem__)]
    return tuple(kind + _span(list(blocks), run) for kind, run in runs if kind is not None)


def _kind(parameters: set[str], chosen: set[str], norms: set[str]) -> str | None:
    """What is said before the name of a block: nothing of a whole one; None where nothing of it is chosen."""
    found = parameters & chosen
    if not found or found == parameters:
        return "" if found else None
    biases = {name for name in parameters if name.endswith(".bias")}
    return "norms of " if found == parameters & norms else "biases of " if found == biases else "part of "


def _span(blocks: list[str], run: list[str]) -> str:
    """`stages.2.1 to head`; a stage's name stands for all of its blocks."""
    cut = {part_of(block) for block in blocks if block not in run}
    ends = [block if part_of(block) in cut else part_of(block) for block in (run[0], run[-1])]
    return " to ".join(dict.fromkeys(ends))
