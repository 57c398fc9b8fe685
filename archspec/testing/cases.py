"""A case: one offer in a small network of built-in parts, written as a spec and planned."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from archspec.errors import DocumentError, PlanError
from archspec.offers import Offer, Options, Settings
from archspec.plan.builder import Builder, Value
from archspec.plan.plan import Plan
from archspec.plan.planner import plan_network
from archspec.plan.rules import RULES
from archspec.plugins import Plugins
from archspec.spec.arch import ArchSpec
from archspec.spec.dump import data_to_yaml, to_data
from archspec.spec.fields import field_shapes
from archspec.spec.load import read_spec
from archspec.spec.parts import BlockOptions
from archspec.spec.reader import Mapping as MapNode
from archspec.spec.reader import read_text
from archspec.testing.choices import Dealer, Values, option_values
from archspec.testing.contracts import CONTRACTS

Document = dict[str, Any]

_SIZES: list[Any] = [16, [15, 12], [13, 17], [12, 9]]
_IMAGE_SIZES: list[Any] = [32, [31, 24], [25, 33]]
"""For stems, which often stride twice."""
_WIDTHS = [64, 48, 96]
_GROWS = "A105"
"""The rule that finds an even window, padded alike on both sides: the map grows, and no size is as declared."""


class Fault(Exception):  # noqa: N818
    """What an offer does, and must not."""


class Impossible(Exception):  # noqa: N818
    """No such network can exist."""


@dataclass(frozen=True)
class Case:
    """A spec that holds the offer, and its plan."""

    offer: Offer[Any]
    spec: ArchSpec
    plan: Plan


class Bench:
    """Where offers of one kind are put: a small network, and the values to try of everything in it."""

    def __init__(self, offer: Offer[Any], plugins: Plugins, held: Mapping[str, Any], seed: int) -> None:
        self.offer, self.plugins, self.held = offer, plugins, held
        self.document: Document = {
            "name": "case",
            "input": {"channels": 3, "size": 16},
            "stem": {"type": "conv", "filters": 64, "kernel": 3, "strides": 1},
            "stages": [{"block": "basic", "filters": 64}],
            "head": {"type": "classifier", "classes": 3},
        }
        values, home = self.place()
        own = option_values(offer.options, plugins, held)
        values |= {f"{home}.{name}": found for name, found in own.items()}
        for name, value in held.items():
            put(self.document, f"{home}.{name}", value)
        self.dealer = Dealer(values, random.Random(seed))

    def place(self) -> tuple[Values, str]:
        """Put the offer's name into the document; returns the values to try around it, and the path of its options."""
        values: Values = {"input.size": _SIZES, "input.channels": [3, 1, 4], "stem.filters": _WIDTHS}
        kind, name = self.offer.kind, self.offer.name
        if kind == "stems":
            self.document["stem"] = {"type": name}
            return {"input.size": _IMAGE_SIZES, "input.channels": [3, 1, 4]}, "stem"
        if kind == "heads":
            self.document["head"] = {"type": name}
            return {**values, "stages.0.filters": _WIDTHS}, "head"
        if kind == "blocks":
            self.document["stages"] = [{"block": name}]
            return values, "stages.0"
        field, hosts = find_hosts(self.plugins, kind)
        around = option_values(BlockOptions, self.plugins, held=[field])
        self.document["stages"] = [{"block": hosts[0], field: {"type": name}}]
        values |= {"stages.0.block": list(hosts), **{f"stages.0.{key}": found for key, found in around.items()}}
        return values, f"stages.0.{field}"

    def deal(self) -> Document:
        """The document of the next case."""
        document: Document = copy(self.document)
        for path, value in self.dealer.deal().items():
            put(document, path, value)
        return document

    def plan(self, document: Document) -> Case:
        """The plan of a document, in which the offer keeps to the contract of its kind.

        Raises:
            Impossible: there is no such network.
            Fault: the offer broke its contract.

        """
        complaints: list[str] = []
        try:
            spec = self.read(document)
            for options in walk(spec):
                if (options.offer.kind, options.offer.name) == (self.offer.kind, self.offer.name):
                    options.of(_watched(options.offer, complaints))
            plan = plan_network(spec)
        except DocumentError as error:
            if complaints:
                raise Fault(complaints[0]) from None
            self.refuse_lone_block(document, error)
            raise Impossible(error.message) from None
        except Exception:
            if complaints:
                raise Fault(complaints[0]) from None
            raise
        for found in RULES[_GROWS].find(spec, plan):
            raise Impossible(found.message)
        if complaints:
            raise Fault(complaints[0])
        return Case(self.offer, spec, plan)

    def read(self, document: Document) -> ArchSpec:
        node = read_text(data_to_yaml(document), "case.yaml")
        assert isinstance(node, MapNode)
        return read_spec(node, self.plugins)

    def refuse_lone_block(self, document: Document, error: DocumentError) -> None:
        """A block that fits once, and not behind itself, cannot make a stage."""
        stage = document["stages"][0]
        if self.offer.kind == "blocks" and isinstance(error, PlanError) and stage.get("repeats", 1) > 1:
            for alone in ({"repeats": 1}, {"repeats": 1, "strides": 1}):
                try:
                    self.plan({**document, "stages": [{**stage, **alone}]})
                except Impossible:  # alone too: these options do not go together, and where it stands is not why
                    return
            raise Fault(f"its first block fits, and an equal one of stride 1 behind it does not: {error.message}")

    def scaled(self, case: Case) -> Plan | None:
        """The plan of the same options at other widths and sizes, if there is one."""
        document = to_data(case.spec)
        height, width = case.spec.input.size
        document["input"]["size"] = [height + 8, width + 5]
        fixed = self.offer.kind == "stems" and "filters" not in self.offer.options.model_fields
        if "filters" not in self.held and not fixed:  # a stem of one width would meet a stage of twice its own
            _double(document)
        try:
            return plan_network(self.read(document))
        except DocumentError:
            return None


def find_hosts(plugins: Plugins, kind: str) -> tuple[str, list[str]]:
    """The option that names an offer of this kind, and the built-in blocks that have it."""
    found: dict[str, list[str]] = {}
    for name, offer in plugins.offers("blocks").items():
        model: type[Settings] = offer.options
        for field, shape in field_shapes(model).items():
            if offer.origin.startswith("archspec ") and shape.offered is not None and shape.offered.kind == kind:
                found.setdefault(field, []).append(name)
    field = max(found, key=lambda option: len(found[option]))
    return field, found[field]


def walk(settings: Settings) -> Iterator[Options]:
    """Every offer's options in a settings model."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Options):
                yield item
            if isinstance(item, Settings):
                yield from walk(item)


def _watched(offer: Offer[Any], complaints: list[str]) -> Offer[Any]:
    """The offer, which complains where it breaks the contract of its kind."""
    contract = CONTRACTS[offer.kind]

    def make(net: Builder, x: Value, *arguments: Any, **keywords: Any) -> Any:
        before = len(net.steps)
        value = offer.make(net, x, *arguments, **keywords)
        if not isinstance(value, Value):
            complaints.append(f"it must return the Value that it wrote, not {value!r}")
        elif complaint := contract(x, value, net.steps[before:], *arguments, **keywords):
            complaints.append(complaint)
        return value

    return replace(offer, make=make)


def put(document: Document, path: str, value: Any) -> None:
    """Set the value at a dotted path."""
    *parents, last = path.split(".")
    for part in parents:
        document = document[int(part)] if isinstance(document, list) else document[part]
    document[last] = value


def copy(node: Any) -> Any:
    """Maps and lists anew, values as they are."""
    if isinstance(node, Mapping):
        return {key: copy(item) for key, item in node.items()}
    return [copy(item) for item in node] if isinstance(node, list | tuple) else node


def _double(node: Any) -> None:
    """Double every `filters` in a document, so that widths that were equal stay so."""
    for item in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        _double(item)
    if isinstance(node, dict) and "filters" in node:
        filters = node["filters"]
        node["filters"] = [2 * item for item in filters] if isinstance(filters, list) else 2 * filters
