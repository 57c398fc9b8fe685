"""Plan -> torch.nn.Module: the plan's scopes become nested modules, its names become theirs.

`compile_network` is the one primitive. The whole network, a frozen prefix and its tail, feature maps for another head,
and the logits before a softmax are all calls of it, cut at block borders.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from archspec.errors import CutError, WeightsError
from archspec.network.fold import fold_network
from archspec.network.foreign import hold_to_shapes, is_foreign, make_foreign
from archspec.network.init import initialise
from archspec.plan.operations import Operation
from archspec.plan.plan import Plan, Step
from archspec.plan.planner import plan_network
from archspec.spec.arch import ArchSpec
from archspec.spec.load import load_spec

Route = tuple[str, tuple[int, ...], int]
"""A child's name, the slots it reads, and the slot it writes."""


class Scope(nn.Module):
    """A scope of the plan: its children run in the plan's order, over a few slots that are reused when a value dies."""

    def __init__(self, children: Mapping[str, nn.Module], routes: tuple[Route, ...], spare: int) -> None:
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)
        self.routes = routes
        self.spare = spare

    def forward(self, *inputs: Tensor) -> Tensor:
        """Run the scope's steps; the last one's output is the scope's."""
        slots: list[Tensor | None] = [*inputs, *([None] * self.spare)]
        children = self._modules  # by name at every call, so that a child can be replaced, hooked or wrapped
        target = 0
        for name, sources, target in self.routes:
            slots[target] = children[name](*[slots[source] for source in sources])  # type: ignore[misc]
        return cast(Tensor, slots[target])


class Network(Scope):
    """A compiled plan, or the part of it from block `start` up to block `end`."""

    def __init__(
        self,
        plan: Plan,
        steps: tuple[Step, ...],
        children: Mapping[str, nn.Module],
        routes: tuple[Route, ...],
        spare: int,
    ) -> None:
        super().__init__(children, routes, spare)
        self.plan = plan
        self.steps = steps
        self.folded = False

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # a network has one input
        """(B, C, H, W) -> (B, classes), or the map (B, C', H', W') where the network ends before the head."""
        return super().forward(x)


def compile_network(
    plan: Plan,
    start: str | None = None,
    end: str | None = None,
    fold: bool = False,
    state: Mapping[str, Tensor] | None = None,
) -> Network:
    """The torch module of a plan, initialised as the plan says.

    `start` and `end` cut it, half open, as a slice does: a prefix up to `end="stages.2"` and a tail from
    `start="stages.2"` make the whole. They name a block (`stages.2.0`), a stage (its first block), `head`, `softmax`,
    or a step which all that comes later reads through (`head.linear`). Tensor names stay the plan's.

    `state` holds tensors by the plan's names, of this part or of more; without it, weights are fresh.

    `fold` puts every batch norm that follows a convolution into that convolution, and parallel convolutions of one
    value into the largest of them (RepVGG), for inference: the network is then in evaluation mode, its parameters need
    no gradient, and what was folded is `nn.Identity`, so names stay.

    Raises:
        CutError: nothing is named `start` or `end`, it cannot be cut there, or nothing lies between them.
        WeightsError: `state` lacks a tensor, or has one of another shape.
        PluginError: an operation of a plugin is not what it declares.

    """
    begin = plan.cut(start) if start is not None else 0
    stop = plan.cut(end) if end is not None else len(plan.steps)
    if begin >= stop:
        raise CutError(f"nothing of {plan.name} lies from '{start}' up to '{end}'")
    steps = plan.steps[begin:stop]
    compiler = _Compiler(plan, begin, stop)
    whole = _Group("", begin, stop, plan.passing(begin), plan.passing(stop)[0])
    children, routes, spare = compiler.scope(whole, 0)
    network = Network(plan, steps, children, routes, spare)
    if state is None:
        initialise(network, steps, plan.init)
    else:
        _fill(network, state)
    if start is None and not next(network.parameters(), Tensor()).is_meta:
        hold_to_shapes(network, steps, plan.input)
    if fold:
        fold_network(network, steps, begin)
        network.folded = True
    return network


def _fill(network: Network, state: Mapping[str, Tensor]) -> None:
    own = network.state_dict()
    for name, tensor in own.items():
        if name not in state or state[name].shape != tensor.shape:
            there = tuple(state[name].shape) if name in state else "missing"
            raise WeightsError(f"the state's '{name}' is {there}, and {network.plan.name} needs {tuple(tensor.shape)}")
    network.load_state_dict({name: state[name] for name in own})


def build_network(spec: ArchSpec | Path | str) -> Network:
    """A spec, its file or its zoo name -> the compiled network.

    Raises:
        ArchspecError: there is no such spec, or it is wrong.

    """
    return compile_network(plan_network(spec if isinstance(spec, ArchSpec) else load_spec(spec)))


@dataclass(frozen=True)
class _Group:
    """The steps `begin` to `stop` under one name: a single step, or a scope."""

    name: str
    begin: int
    stop: int
    inputs: tuple[int, ...]
    output: int


class _Compiler:
    """The steps `begin` to `stop` of a plan, on their way into modules."""

    def __init__(self, plan: Plan, begin: int, stop: int) -> None:
        self.plan = plan
        self.last_use = {step_number + 1: step_number for step_number in range(begin, stop)}
        self.uses: dict[int, int] = {}
        for number in range(begin, stop):
            for value in plan.steps[number].inputs:
                self.last_use[value] = number
                self.uses[value] = self.uses.get(value, 0) + 1
        self.begin = begin

    def scope(self, scope: _Group, depth: int) -> tuple[dict[str, nn.Module], tuple[Route, ...], int]:
        """The children of a scope, how values move between them, and how many slots that takes beside the inputs."""
        children: dict[str, nn.Module] = {}
        routes: list[Route] = []
        slots: list[int | None] = list(scope.inputs)
        for group in self.groups(scope, depth):
            sources = tuple(slots.index(value) for value in group.inputs)
            for slot, value in enumerate(slots):
                if value is not None and value != scope.output and self.last_use.get(value, -1) < group.stop:
                    slots[slot] = None
            target = slots.index(None) if None in slots else len(slots)
            slots[target : target + 1] = [group.output]
            routes.append((group.name, sources, target))
            children[group.name] = self.module(group, depth)
        return children, tuple(routes), len(slots) - len(scope.inputs)

    def groups(self, scope: _Group, depth: int) -> Iterator[_Group]:
        """The scope's steps, those that share their next name taken together."""
        steps = self.plan.steps
        begin = scope.begin
        while begin < scope.stop:
            name = steps[begin].name.split(".")[depth]
            stop = begin + 1
            while stop < scope.stop and steps[stop].name.split(".")[depth] == name:
                stop += 1
            used = dict.fromkeys(value for step in steps[begin:stop] for value in step.inputs if value <= begin)
            leaf = steps[begin].name.count(".") == depth
            inputs = steps[begin].inputs if leaf else tuple(used)  # an operation may read one value twice
            lives = [value for value in range(begin + 1, stop + 1) if self.last_use[value] >= stop]
            made = lives if scope.output not in range(begin + 1, stop + 1) else [scope.output]
            output = made[-1] if made else stop
            assert len(made) <= 1, f"the scope '{steps[begin].name.rpartition('.')[0]}' must have one output"
            yield _Group(name, begin, stop, inputs, output)
            begin = stop

    def module(self, group: _Group, depth: int) -> nn.Module:
        step = self.plan.steps[group.begin]
        if len(step.name.split(".")) == depth + 1:
            operation = self.in_place(step)
            return make_foreign(operation, step.name) if is_foreign(operation) else make_module(operation)
        return Scope(*self.scope(group, depth + 1))

    def in_place(self, step: Step) -> Operation:
        """The step's operation, set to overwrite its first input where nothing else reads that."""
        operation, value = step.operation, step.inputs[0]
        if not hasattr(operation, "inplace") or value <= self.begin or self.uses[value] > 1:
            return operation
        before = self.plan.steps[value - 1].operation
        if before.output_needed or before.shares_input != "never":
            return operation
        return replace(operation, inplace=True)  # type: ignore[call-arg]


def make_module(operation: Operation) -> nn.Module:
    """The torch module of an operation of archspec's, made by the function that its `maker` names."""
    module, _, function = operation.maker.partition(":")
    return cast(nn.Module, getattr(importlib.import_module(module), function)(operation))
