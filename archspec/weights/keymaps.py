"""The names of a plan's tensors in other libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from archspec.plan.plan import Plan
from archspec.weights.namings import NAMINGS, Table


def foreign_names(plan: Plan) -> Iterator[tuple[str, dict[str, str]]]:
    """For each naming, the plan's tensor names -> the names there. What a naming lacks is left out."""
    steps = [step for step in plan.steps if step.operation.parameters()]
    whole = {step.name for step in steps}
    blocks = [block.name for block in plan.blocks if block.name.startswith("stages.")]
    order = {name: number for number, name in enumerate(blocks, start=1)}
    for naming, (table, shorter) in NAMINGS.items():
        names = {}
        for step in steps:
            block = re.match(r"stages\.\d+\.\d+", step.name)
            short = block is not None and f"{block[0]}.conv1" not in whole
            theirs = _translate(step.name, shorter if short else table, order, len(plan.stages))
            if theirs is not None:
                for tensor in (*step.operation.parameters(), *step.operation.buffers()):
                    lone = theirs.endswith((".gamma", ".layer_scale"))  # a parameter there, and a module of one here
                    names[f"{step.name}.{tensor}"] = theirs if lone else f"{theirs}.{tensor}"
        yield naming, names


def _translate(name: str, table: Table, order: Mapping[str, int], stages: int) -> str | None:
    """The module that a step is called there, or None. `order` numbers the blocks from 1."""
    block = re.match(r"stages\.(\d+)\.(\d+)\.", name)
    stage, number = (int(block[1]), int(block[2])) if block else (0, 0)
    inside = f"block.{name[block.end() :]}" if block else name
    digit = re.search(r"\d$", inside)
    keys = (inside, f"{inside[:-1]}{{k}}") if digit else (inside,)
    found = next((table[key] for key in keys if key in table), None)
    places = {"i": stage, "j": number, "s": stage + 1, "b": number + 1, "d": 2 * stage, "o": 2 * stage + 1}
    places |= {"n": order[block[0].rstrip(".")] if block else 0, "N": len(order) + 1, "S": stages + 1}
    return found and found.format(**places, k=digit[0] if digit else "")
