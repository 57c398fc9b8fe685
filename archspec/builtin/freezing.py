"""Freezing policies: which parameters train at an epoch, and at which share of the learning rate."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from archspec import FreezingOptions, ImpossibleFreezing, Offer, Offers, Plan, Treatment, hookimpl
from archspec.finetuning.names import by_block, by_part, nearest, norms_of, parameters_from

Policy = Callable[[int], Mapping[str, Treatment]]
Name = Annotated[str, Field(min_length=1, max_length=200, examples=["stages.2"])]
Patterns = tuple[Annotated[str, Field(min_length=1, max_length=200, examples=["stages.0.*"])], ...]
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Share = Annotated[float, Field(gt=0, le=1)]


class UntilOptions(FreezingOptions):
    """Options of the policy that freezes up to a stage."""

    shorthand: ClassVar[str] = "stage"

    stage: Name
    """The first that trains: a stage, a block such as `stages.2.0`, or `head`. All before it is frozen."""


class PatternOptions(FreezingOptions):
    """Options of the policy of patterns."""

    shorthand: ClassVar[str] = "freeze"

    freeze: Patterns = ()
    """What is frozen: shell patterns, each on whole names of parameters, in which `*` also stands for dots."""
    train: Patterns = ()
    """What trains, although `freeze` names it. Without `freeze`, this alone trains."""

    @model_validator(mode="after")
    def _some(self) -> PatternOptions:
        if not (self.freeze or self.train):
            raise ValueError("has neither `freeze` nor `train`: name patterns, such as freeze: [stem.*]")
        return self


class GradualOptions(FreezingOptions):
    """Options of gradual unfreezing."""

    shorthand: ClassVar[str] = "every"

    every: Epochs = 1
    """Epochs from one part to the next."""


class ProbeOptions(FreezingOptions):
    """Options of a linear probe, and what follows it."""

    shorthand: ClassVar[str] = "probe"

    probe: Epochs = 5
    """Epochs in which the head alone trains."""
    scale: Share = 0.1
    """The factor on the learning rate in the epochs after them."""
    until: Name | None = None
    """The first that trains after them: a stage, a block, or `head`. Where nothing is said, everything trains."""


class LayerDecayOptions(FreezingOptions):
    """Options of rates that fall from block to block."""

    shorthand: ClassVar[str] = "decay"

    decay: Share = 0.75
    """The rate of a block, as a share of that of the one above it."""


class DiscriminativeOptions(FreezingOptions):
    """Options of rates that rise from the stem to the head."""

    shorthand: ClassVar[str] = "lowest"

    lowest: Share = 0.01
    """The factor on the stem's learning rate; the head's is 1."""


def none(options: FreezingOptions, plan: Plan) -> Policy:
    """Everything trains, at 1."""
    return _always(options, plan, _all(plan))


def head_only(options: FreezingOptions, plan: Plan) -> Policy:
    """The head trains, and all before it is frozen."""
    return _always(options, plan, parameters_from(plan, "head", "type"))


def until(options: UntilOptions, plan: Plan) -> Policy:
    """What stands before `stage` is frozen, and the rest trains."""
    return _always(options, plan, parameters_from(plan, options.stage, "stage"))


def patterns(options: PatternOptions, plan: Plan) -> Policy:
    """Frozen is what `freeze` matches, or without it everything, less what `train` matches."""
    names = _all(plan)
    frozen = _matched(options.freeze, names, "freeze") if options.freeze else set(names)
    frozen -= _matched(options.train, names, "train")
    if len(frozen) == len(names):
        raise ImpossibleFreezing(f"every parameter of {plan.name} is frozen", "freeze", help="leave one that trains")
    return _always(options, plan, [name for name in names if name not in frozen])


def norm_only(options: FreezingOptions, plan: Plan) -> Policy:
    """The scales and shifts of all norms train, and the head.  Frankle et al. 2021."""
    return _always(options, plan, [*norms_of(plan), *parameters_from(plan, "head", "type")])


def gradual(options: GradualOptions, plan: Plan) -> Policy:
    """At epoch e, the last 1 + e // every of stem, stages and head train.  Howard and Ruder 2018."""
    parts = list(by_part(plan).values())[::-1]
    upper = itertools.accumulate(parts)
    treatments = [options.treatments(plan, dict.fromkeys(names, 1.0)) for names in upper]
    return lambda epoch: treatments[min(epoch // options.every, len(treatments) - 1)]


def lp_ft(options: ProbeOptions, plan: Plan) -> Policy:
    """The head alone for `probe` epochs; then all, or what `until` leaves, at `scale`.  Kumar et al. 2022."""
    head = parameters_from(plan, "head", "type")
    rest = _all(plan) if options.until is None else parameters_from(plan, options.until, "until")
    probe = options.treatments(plan, dict.fromkeys(head, 1.0))
    tuning = options.treatments(plan, dict.fromkeys(rest, options.scale))
    return lambda epoch: probe if epoch < options.probe else tuning


def layer_decay(options: LayerDecayOptions, plan: Plan) -> Policy:
    """decay^(n - i) for block i of stem (0), blocks and head (n).  Clark et al. 2020, Bao et al. 2022."""
    blocks = list(by_block(plan).values())[::-1]
    return _scaled(options, plan, blocks, [options.decay**depth for depth in range(len(blocks))])


def discriminative(options: DiscriminativeOptions, plan: Plan) -> Policy:
    """lowest^((n - i) / n) for part i of stem (0), stages and head (n).  Howard and Ruder 2018."""
    parts = list(by_part(plan).values())[::-1]
    most = max(1, len(parts) - 1)
    return _scaled(options, plan, parts, [options.lowest ** (depth / most) for depth in range(len(parts))])


def _all(plan: Plan) -> list[str]:
    return [name for name, _, trained in plan.tensors() if trained]


def _always(options: FreezingOptions, plan: Plan, names: Iterable[str]) -> Policy:
    """These train at every epoch, at 1, and the others never."""
    treatments = options.treatments(plan, dict.fromkeys(names, 1.0))
    return lambda epoch: treatments


def _scaled(options: FreezingOptions, plan: Plan, groups: list[list[str]], scales: list[float]) -> Policy:
    """Everything trains at every epoch, each group at its scale."""
    each = {name: scale for names, scale in zip(groups, scales, strict=True) for name in names}
    treatments = options.treatments(plan, each)
    return lambda epoch: treatments


def _matched(wanted: Patterns, names: list[str], option: str) -> set[str]:
    """The names that patterns match.

    Raises:
        ImpossibleFreezing: one of them matches nothing.

    """
    found: set[str] = set()
    for number, pattern in enumerate(wanted):
        matched = {name for name in names if fnmatchcase(name, pattern)}
        if not matched:
            message = f"the pattern '{pattern}' matches no parameter"
            close = nearest(pattern, names)
            hint = f"did you mean '{close[0]}'?" if close else ""
            help = f"nearest: {', '.join(close)}" if close else f"names are as {names[0]} and {names[-1]}"
            raise ImpossibleFreezing(message, option, number, hint=hint, help=help)
        found |= matched
    return found


@hookimpl
def archspec_freezing_policies() -> Offers:
    return {
        "none": Offer(FreezingOptions, none, "everything trains"),
        "head-only": Offer(FreezingOptions, head_only, "the head alone trains"),
        "until": Offer(UntilOptions, until, "all before a stage or block is frozen"),
        "patterns": Offer(PatternOptions, patterns, "frozen is what shell patterns match"),
        "norm-only": Offer(FreezingOptions, norm_only, "the scales and shifts of norms train, and the head"),
        "gradual": Offer(GradualOptions, gradual, "the head, then a stage more every few epochs, the stem last"),
        "lp-ft": Offer(ProbeOptions, lp_ft, "the head alone for some epochs, then all at a lower rate"),
        "layer-decay": Offer(LayerDecayOptions, layer_decay, "rates that fall from block to block, away from the head"),
        "discriminative": Offer(DiscriminativeOptions, discriminative, "rates that rise from the stem to the head"),
    }
