"""The plan of weights: what every tensor of a network takes from a file, before anything is copied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from archspec.errors import WeightsError
from archspec.plan.plan import Plan
from archspec.weights.explain import say_faults
from archspec.weights.heads import read_classes
from archspec.weights.order import pair_by_order
from archspec.weights.pairing import COUNTER, Pairing, pair_by_names, read_map
from archspec.weights.preprocessing import KnownPreprocessing, usual_preprocessing
from archspec.weights.rows import ACTIONS, Action, Row, allow_missing, find_ends, make_rows
from archspec.weights.settings import Matching
from archspec.weights.source import WeightsSource, open_source

ENOUGH = 0.95
"""The share of the parameters that a file must give values to."""


@dataclass(frozen=True)
class WeightsPlan:
    """What a network takes from a file, tensor by tensor."""

    plan: Plan = field(repr=False)
    source: str
    """As messages have it: `'resnet18.pth'`, `the state dict`."""
    naming: str
    """Whose names the file has: `archspec`, `torchvision`, `timm RegNet`, ..., or `order`."""
    rows: tuple[Row, ...] = field(repr=False)
    """One for each tensor of the network, in its order."""
    unused: Mapping[str, tuple[int, ...]]
    """Tensors of the file that the network has no place for, and their shapes."""
    notes: tuple[str, ...] = ()
    sha256: str | None = None
    classes: tuple[str, ...] | None = None
    """The names of the file's classes, where they are known."""
    preprocessing: KnownPreprocessing | None = None

    @cached_property
    def coverage(self) -> float:
        """The share of the network's parameters that take values; those meant to begin afresh are left out of both."""
        wanted = sum(row.wanted for row in self.rows)
        return sum(row.filled for row in self.rows) / wanted if wanted else 1.0

    def of(self, action: Action) -> tuple[Row, ...]:
        """The rows with this action."""
        return tuple(row for row in self.rows if row.action == action)

    def count(self, action: Action) -> int:
        """How many parameters are copied, adapted, reset or missing; of a head by name, the new rows are reset."""
        if action in ("copied", "adapted"):
            return sum(row.filled for row in self.of(action))
        begun_afresh = sum(row.parameters - row.filled for row in self.of("adapted")) if action == "reset" else 0
        return begun_afresh + sum(row.parameters for row in self.of(action))

    @property
    def unused_parameters(self) -> int:
        """How many values of the file find no place, statistics of norms left out."""
        statistics = ("running_mean", "running_var", COUNTER)
        return sum(math.prod(shape) for name, shape in self.unused.items() if not name.endswith(statistics))

    def refuse(self) -> None:
        """Refuse a file that does not fit.

        Raises:
            WeightsError: it gives values to less than 95 % of the parameters, lacks statistics, or holds no numbers.

        """
        error = say_faults(self.plan, self.source, self.rows, self.unused, self.coverage, ENOUGH)
        if error is not None:
            raise error

    def record(self) -> dict[str, Any]:
        """The plan as `--json` gives it."""
        counts: dict[str, dict[str, int]] = {
            action: {"tensors": len(self.of(action)), "parameters": self.count(action)} for action in ACTIONS
        }
        counts["unused"] = {"tensors": len(self.unused), "parameters": self.unused_parameters}
        return {
            "network": self.plan.name,
            "source": self.source,
            "sha256": self.sha256,
            "naming": self.naming,
            "notes": list(self.notes),
            "coverage": self.coverage,
            "counts": counts,
            "tensors": [row.record() for row in self.rows],
            "unused": {name: list(shape) for name, shape in self.unused.items()},
            "classes": None if self.classes is None else list(self.classes),
            "preprocessing": self.preprocessing and self.preprocessing.record(),
        }


def plan_weights(
    plan: Plan,
    source: Path | str | Mapping[str, Tensor],
    how: Matching | None = None,
    classes: Sequence[str] | None = None,
) -> WeightsPlan:
    """What a network takes from a file, a run, a checkpoint or a state dict. Nothing is copied yet.

    `classes` are the names of the network's classes, where they are known. `refuse` of what comes back says whether it
    is enough.

    Raises:
        WeightsError: the source cannot be read, or what `how` asks for cannot be done.
        DocumentError: the map is wrong.

    """
    how = how or Matching()
    opened = open_source(source, how.key)
    pairing = _pair(plan, opened, how)
    there = read_classes(how.classes) if how.classes is not None else opened.classes
    ends = find_ends(plan, pairing.names, opened.tensors, how, (classes, there))
    rows = allow_missing(list(make_rows(plan, pairing.names, opened.tensors, how, ends)), how.allow)
    taken = {row.theirs for row in rows}
    unused = {name: tuple(tensor.shape) for name, tensor in opened.tensors.items() if name not in taken}
    preprocessing = opened.preprocessing or usual_preprocessing(pairing.naming)
    left = sum(math.prod(shape) for shape in unused.values())
    whole = sum(tensor.numel() for tensor in opened.tensors.values())
    large = f"{left / whole:.0%} of the file finds no place: it is of another, larger network" if left else ""
    notes = (*opened.notes, *pairing.notes, *([large] if left > (1 - ENOUGH) * whole else []))
    return WeightsPlan(plan, opened.name, pairing.naming, rows, unused, notes, opened.sha256, there, preprocessing)


def _pair(plan: Plan, opened: WeightsSource, how: Matching) -> Pairing:
    given = read_map(Path(how.map), plan, opened.tensors) if how.map is not None else {}
    if how.match == "order":
        if not opened.ordered:
            message = f"{opened.name} is a safetensors file, which does not keep the order of its tensors"
            raise WeightsError(message, help="match by names, or pair them all with --map FILE")
        pairing = pair_by_order(plan, opened.tensors, given)
    else:
        pairing = pair_by_names(plan, opened.tensors)
    if not given:
        return pairing
    taken = set(given.values())
    rest = {ours: theirs for ours, theirs in pairing.names.items() if theirs not in taken}
    note = f"the map gives {len(given):,} of {len(list(plan.tensors())):,} tensors"
    return Pairing(pairing.naming, {**rest, **given}, (*pairing.notes, note))
