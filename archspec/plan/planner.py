"""Spec -> plan: asks each part's offer to write itself, and turns an impossible shape into an error at its line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archspec.errors import Diagnostic, KeyPath, PlanError, PluginError, place_raised
from archspec.offers import Offer, Options
from archspec.plan.builder import Builder, Value, written
from archspec.plan.operations import ImpossibleShape
from archspec.plan.plan import SOFTMAX, Block, Plan
from archspec.plan.schedule import BlockSchedule, point_at
from archspec.spec.arch import ArchSpec
from archspec.spec.parts import Style


def plan_network(spec: ArchSpec) -> Plan:
    """The plan of a spec.

    Raises:
        PlanError: no such network can exist; it says at which line.

    """
    planner = _Planner(spec)
    x = planner.write("stem", ("stem",), spec.stem, planner.net.input)
    schedule = BlockSchedule(spec, planner.net)
    for index in range(len(spec.stages)):
        for repeat, block in enumerate(schedule.stage(index)):
            x = planner.write(f"stages.{index}.{repeat}", ("stages", index), block, x)
    schedule.finish()
    x = planner.write("head", ("head",), spec.head, x)
    if spec.head.softmax:  # a block of its own, so that training can be cut before it
        planner.block(SOFTMAX, ("head",), SOFTMAX, x, lambda: planner.net.softmax(x, name="probabilities"))
    return Plan(spec.name, planner.net.input.shape, spec.init, tuple(planner.net.steps), tuple(planner.blocks))


def _ask(offer: Offer[Any], net: Builder, x: Value, options: Options) -> Value:
    """Let an offer write its part; whatever it raises of its own is reported as its plugin's fault."""
    try:
        output = offer.make(net, x, options)
    except (ImpossibleShape, PluginError):
        raise
    except Exception as error:
        what = f"'{offer.name}' among {offer.kind} of {offer.origin}"
        raise PluginError(f"{what} fails: {type(error).__name__}: {error} ({place_raised(error)})") from error
    return written(offer, output)


class _Planner:
    def __init__(self, spec: ArchSpec) -> None:
        self.spec = spec
        self.net = Builder((spec.input.channels, *spec.input.size))
        self.blocks: list[Block] = []

    def write(self, name: str, path: KeyPath, options: Options, x: Value) -> Value:
        """Let the options' offer write its part of the network."""
        offer = options.offer
        style = options if isinstance(options, Style) else None
        return self.block(name, path, offer.name, x, lambda: _ask(offer, self.net, x, options), style)

    def block(
        self, name: str, path: KeyPath, kind: str, x: Value, make: Callable[[], Value], style: Style | None = None
    ) -> Value:
        start = len(self.net.steps)
        try:
            with self.net.scope(name, style=style):
                output = make()
        except ImpossibleShape as error:
            raise PlanError([self.diagnostic(error, name, path, x)]) from None
        self.blocks.append(Block(name, kind, start, len(self.net.steps), x.number, output.number))
        return output

    def diagnostic(self, error: ImpossibleShape, name: str, path: KeyPath, x: Value) -> Diagnostic:
        wanted = (*path, error.option) if error.option else path
        note = f"the map that enters {name} is {'x'.join(map(str, x.shape))} (channels x height x width)"
        return point_at(self.spec, wanted, str(error), f"{note}; {error.help}" if error.help else note)
