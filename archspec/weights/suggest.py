"""Which networks of the zoo have the tensors of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archspec.plan.plan import Plan
from archspec.plan.planner import plan_network
from archspec.plugins import Plugins
from archspec.spec.load import load_spec
from archspec.spec.zoo import zoo_names
from archspec.weights.heads import class_step
from archspec.weights.keymaps import foreign_names
from archspec.weights.pairing import COUNTER

Shapes = Mapping[str, tuple[int, ...]]


def fitting_specs(shapes: Shapes) -> Iterator[str]:
    """The names of the zoo whose networks have every tensor of these, whatever the number of classes, and no other."""
    plugins = Plugins(installed=False)
    counted = {name for name in shapes if not name.endswith(COUNTER)}
    for name in zoo_names():
        plan = plan_network(load_spec(name, plugins=plugins))
        needed = {tensor: shape for tensor, shape, _ in plan.tensors() if not tensor.endswith(COUNTER)}
        if len(needed) == len(counted) and _has_all(plan, needed, shapes):
            yield name


def _has_all(plan: Plan, needed: Shapes, shapes: Shapes) -> bool:
    head = class_step(plan)
    of_head = f"{head.name}." if head is not None else "\0"
    own = {name: name for name in needed}
    return any(
        all(
            names.get(name) in shapes
            and (name.startswith(of_head) or _values(shapes[names[name]]) == _values(needed[name]))
            for name in needed
        )
        for _, names in (("archspec", own), *foreign_names(plan))
    )


def _values(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape, however it is written: a 1x1 convolution is a matrix."""
    return tuple(size for size in shape if size != 1)
