"""Compares a plan's figures with its spec's `budget:`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from archspec.errors import BudgetError, Diagnostic
from archspec.plan.plan import Plan
from archspec.plan.planner import plan_network
from archspec.spec.arch import ArchSpec
from archspec.spec.budget import Bound, Budget, read_bounds
from archspec.spec.settings import locate

if TYPE_CHECKING:
    from fractions import Fraction

_SUBJECTS = {
    "parameters": "parameters are",
    "macs": "MACs are",
    "receptive_field": "the receptive field is",
    "activation_memory": "the activation memory is",
}
_UNITS = {"receptive_field": " px", "activation_memory": " bytes"}
_SIDES = {
    ("<", "over"): "over",
    ("<=", "over"): "over",
    (">", "under"): "under",
    (">=", "under"): "under",
    ("<", "equal"): "not below",
    (">", "equal"): "not above",
    ("==", "over"): "over",
    ("==", "under"): "under",
}


def plan_within_budget(spec: ArchSpec) -> Plan:
    """The plan of a spec, which keeps the spec's budget.

    Raises:
        PlanError: no such network can exist.
        BudgetError: it breaks bounds of its budget: all of them, each at its line.

    """
    plan = plan_network(spec)
    if broken := list(find_broken_bounds(spec, plan)):
        raise BudgetError(broken)
    return plan


def find_broken_bounds(spec: ArchSpec, plan: Plan) -> Iterator[Diagnostic]:
    """A diagnostic for each bound of the budget that the plan breaks."""
    for name in Budget.model_fields:
        figure = getattr(plan, name)
        for bound in read_bounds(getattr(spec.budget, name) or ""):
            if not bound.holds(figure):
                path = ("budget", name)
                place = locate(spec.source, path)[0] if spec.source else None
                figure_text = f"{figure:,}{_UNITS.get(name, '')}"
                yield Diagnostic(f"{_SUBJECTS[name]} {figure_text}, {_say(bound, figure)}", place, path)


def _say(bound: Bound, figure: int) -> str:
    side = "equal" if figure == bound.limit else "over" if figure > bound.limit else "under"
    return f"{_SIDES[bound.operator, side]} the budget of {_number(bound.limit)}"


def _number(value: Fraction) -> str:
    return f"{int(value):,}" if value.denominator == 1 else f"{float(value):,}"
