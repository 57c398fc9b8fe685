"""Pairs tensors of unknown names by the order of their registration, among equal kinds and shapes.

A module is what holds tensors under one prefix. Its signature is the kinds and shapes of its tensors, and for a module
of vectors (a norm) the signature of the module before it, too. Modules of one signature are paired in their order,
where there are as many here as there. Layers behind one another are registered in the order in which they run; of two
layers side by side (a block's last convolution and its shortcut's) either may come first, so equal ones are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from archspec.errors import WeightsError
from archspec.plan.plan import Plan
from archspec.weights.heads import class_step
from archspec.weights.pairing import COUNTER, Pairing

_KINDS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
_SHOWN = 3
Kinds = tuple[tuple[str, tuple[int, ...]], ...]
Signature = tuple[Kinds, Kinds]


@dataclass(frozen=True)
class _Module:
    name: str
    tensors: Mapping[str, str]
    """Kind -> the tensor's name."""
    kinds: Kinds
    before: Kinds

    @property
    def signature(self) -> Signature:
        return self.kinds, self.before


def pair_by_order(plan: Plan, tensors: Mapping[str, Tensor], given: Mapping[str, str]) -> Pairing:
    """The pairs that the order of registration gives, beside those of a map.

    Raises:
        WeightsError: the order could swap two modules.

    """
    ours = _modules((name, shape) for name, shape, _ in plan.tensors())
    theirs = _modules((name, tuple(tensor.shape)) for name, tensor in tensors.items())
    ours, theirs = _left(ours, set(given)), _left(theirs, set(given.values()))
    here, there = _grouped(ours), _grouped(theirs)
    pairs: list[tuple[_Module, _Module]] = []
    for signature, modules in here.items():
        others = there.get(signature, [])
        if len(modules) == len(others):
            pairs += zip(modules, others, strict=True)
    _refuse_swaps(plan, [module for module, _ in pairs], here)
    left = [module for module in ours if module.name not in {ours.name for ours, _ in pairs}]
    unpaired = [module for module in theirs if module.name not in {theirs.name for _, theirs in pairs}]
    pairs += _ends(plan, left, unpaired)
    names = {
        mine: other.tensors[kind]
        for module, other in pairs
        for kind, mine in module.tensors.items()
        if kind in other.tensors
    }
    return Pairing("order", names)


def _modules(tensors: Iterable[tuple[str, tuple[int, ...]]]) -> list[_Module]:
    grouped: dict[str, dict[str, tuple[str, tuple[int, ...]]]] = {}
    for name, shape in tensors:
        module, _, kind = name.rpartition(".")
        grouped.setdefault(module, {})[_KINDS.get(kind, kind)] = (name, shape)
    made: list[_Module] = []
    before: Kinds = ()
    for module, found in grouped.items():
        kinds = tuple(sorted((kind, shape) for kind, (_, shape) in found.items() if kind != COUNTER))
        vectors = all(len(shape) <= 1 for _, shape in kinds)
        made.append(
            _Module(module, {kind: name for kind, (name, _) in found.items()}, kinds, before if vectors else ())
        )
        # the first layer's input channels may be others, and the norm behind it is its norm all the same
        before = kinds if len(made) > 1 else tuple(_without(kinds, axis=1))
    return made


def _left(modules: Sequence[_Module], taken: set[str]) -> list[_Module]:
    """The modules of which no tensor is taken."""
    return [module for module in modules if taken.isdisjoint(module.tensors.values())]


def _grouped(modules: Sequence[_Module]) -> dict[Signature, list[_Module]]:
    groups: dict[Signature, list[_Module]] = {}
    for module in modules:
        groups.setdefault(module.signature, []).append(module)
    return groups


def _refuse_swaps(plan: Plan, paired: Sequence[_Module], groups: Mapping[Signature, list[_Module]]) -> None:
    """Refuse equal modules of which neither runs behind the other."""
    runs_before = _ancestors(plan)
    done = {module.name for module in paired}
    swaps = [
        f"{first.name} and {second.name}"
        for modules in groups.values()
        for first, second in pairwise(modules)
        if first.name in done and not runs_before[second.name] & (1 << _number(plan, first.name))
    ]
    if swaps:
        listed = "; ".join(swaps[:_SHOWN]) + ("; ..." if len(swaps) > _SHOWN else "")
        message = (
            f"the order of the file's tensors could swap {len(swaps)} equal modules that run side by side: {listed}"
        )
        help = "say which is which in a file for --map, such as `stages.0.0.shortcut.conv: layer1.0.downsample.0`"
        raise WeightsError(message, help=help)


def _number(plan: Plan, name: str) -> int:
    return next(number for number, step in enumerate(plan.steps, start=1) if step.name == name)


def _ancestors(plan: Plan) -> dict[str, int]:
    """For each step, the numbers of the values that it comes from, as bits."""
    bits = [0]
    named = {}
    for number, step in enumerate(plan.steps, start=1):
        behind = 1 << number
        for value in step.inputs:
            behind |= bits[value]
        bits.append(behind)
        named[step.name] = behind
    return named


def _ends(plan: Plan, ours: list[_Module], theirs: list[_Module]) -> list[tuple[_Module, _Module]]:
    """The first convolution and the head, whose channels and classes may be others there."""
    head = class_step(plan)
    found = []
    for module in ours:
        first = any(0 in step.inputs for step in plan.steps if step.name == module.name)
        last = head is not None and module.name == head.name
        axis = 1 if first else 0
        candidates = theirs if first else theirs[::-1]
        if first or last:
            alike = (other for other in candidates if _without(module.kinds, axis) == _without(other.kinds, axis))
            found += [(module, other) for other in list(alike)[:1]]
    return found


def _without(kinds: Kinds, axis: int) -> list[tuple[str, tuple[int, ...]]]:
    """Kinds and shapes, less one axis of each."""
    return [(kind, shape[:axis] + shape[axis + 1 :]) for kind, shape in kinds]
