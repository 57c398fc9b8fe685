"""What a freezing policy promises: a pure function of the epoch, which treats every parameter of any plan."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from archspec.finetuning.policy import rewritten
from archspec.finetuning.treatment import (
    FreezingOptions,
    ImpossibleFreezing,
    Statistics,
    Treatment,
    Treatments,
    parameters_of,
)
from archspec.offers import Options
from archspec.plan.plan import Plan, Step
from archspec.plan.planner import plan_network
from archspec.plugins import Plugins
from archspec.spec.load import load_spec
from archspec.testing.cases import Fault, Impossible
from archspec.testing.randomness import randomness_left_alone

_NETWORKS = ("cifar-resnet20", "resnet18", "resnetv2-50", "mobilenetv2-100", "repvgg-a0", "convnext-atto")
"""Of three stages and more, with norms before and behind convolutions, on parallel ones, and without batch norms."""
_EPOCHS = (*range(24), 99, 100, 99_999)
"""Beyond the end of most runs too: a policy is not told how long its run is."""


def plans_to_freeze(plugins: Plugins) -> list[Plan]:
    """The networks that a policy is tried on, one of them with a softmax behind its head."""
    softmax = load_spec("resnet18", ["name=softmax", "head.softmax=true"], plugins=plugins)
    specs = [load_spec(name, plugins=plugins) for name in _NETWORKS]
    return [plan_network(spec) for spec in (*specs, softmax)]


def prove_freezing_policy(options: Options, plans: list[Plan]) -> None:
    """Hold a policy to its promises, on each plan that it is possible for.

    Raises:
        Fault: it broke one.
        Impossible: it refuses every plan.

    """
    if not isinstance(options, FreezingOptions):
        raise Fault("its options must derive from archspec.FreezingOptions, which say what a frozen batch norm does")
    refusals = []
    for plan in plans:
        try:
            _prove(options, plan)
        except ImpossibleFreezing as refusal:
            refusals.append(refusal)
    if len(refusals) == len(plans):
        raise Impossible(str(refusals[-1]))


def _prove(options: FreezingOptions, plan: Plan) -> None:
    with randomness_left_alone("rewriting a plan", "what it adds must be the same each time"):
        first_plan, plan = rewritten(options, plan), rewritten(options, plan)
        if list(first_plan.tensors()) != list(plan.tensors()):
            raise Fault(f"it rewrites {plan.name} to other tensors the second time")
    with randomness_left_alone("it", "a run that is resumed would freeze other parameters"):
        policies = [_make(options, plan) for _ in range(2)]
        first = {epoch: _ask(policies[0], epoch, plan) for epoch in _EPOCHS}
    looked_at: list[Treatments] = []
    for epoch, treatments in first.items():
        if treatments not in looked_at[-1:]:
            looked_at.append(treatments)
            for complaint in _complaints(treatments, options, plan):
                raise Fault(f"at epoch {epoch} of {plan.name} {complaint}")
    if not any(treatment.trains for treatments in first.values() for treatment in treatments.values()):
        raise Fault(f"of {plan.name} nothing ever trains: refuse the options that ask for it, by ImpossibleFreezing")
    shuffled = random.Random(0).sample(_EPOCHS, len(_EPOCHS))
    for policy, made in zip(policies, ("asked again", "made anew, as a resumed run makes it,"), strict=True):
        for epoch in (*shuffled, *reversed(_EPOCHS)):
            _compare(first[epoch], _ask(policy, epoch, plan), f"at epoch {epoch} of {plan.name}", made)


def _make(options: FreezingOptions, plan: Plan) -> Callable[[int], Any]:
    policy = options.offer.make(options, plan)
    if not callable(policy):
        raise Fault(f"`make` must return a function of the epoch, not {policy!r}")
    made: Callable[[int], Any] = policy
    return made


def _ask(policy: Callable[[int], Any], epoch: int, plan: Plan) -> Treatments:
    """The treatments at an epoch, in a map of their own: a policy may not change what it once answered."""
    try:
        found = policy(epoch)
    except Exception as error:
        where = f"at epoch {epoch} of {plan.name}, which may be beyond the last one,"
        raise Fault(f"{where} it fails: {type(error).__name__}: {error}") from error
    if not isinstance(found, Mapping):
        raise Fault(f"at epoch {epoch} it gives {type(found).__name__}, and must give a Treatment for each parameter")
    return dict(found)


def _complaints(treatments: Treatments, options: FreezingOptions, plan: Plan) -> Iterator[str]:
    """What is wrong with the treatments of one epoch."""
    names = [name for name, _, trained in plan.tensors() if trained]
    if missing := [name for name in names if name not in treatments]:
        yield f"it says nothing of {missing[0]}, and must treat every parameter"
    if unknown := [name for name in treatments if name not in set(names)]:
        yield f"it treats {unknown[0]!r}, which is no parameter of the plan"
    for name, treatment in treatments.items():
        if not isinstance(treatment, Treatment):
            yield f"it gives {treatment!r} for {name}, and must give an archspec.Treatment"
            return
        yield from (f"{name} {what}" for what in _misfits(treatment))
    for step in plan.steps:
        if step.operation.buffers() and parameters_of((step,)):
            yield from _unlike(step, treatments, options)


def _misfits(treatment: Treatment) -> Iterator[str]:
    if not isinstance(treatment.trains, bool):
        yield f"has `trains` {treatment.trains!r}, which is neither True nor False"
    if not isinstance(treatment.scale, int | float):
        yield f"has the scale {treatment.scale!r}, which must be a number"
    elif not (math.isfinite(treatment.scale) and treatment.scale >= 0):
        yield f"has the scale {treatment.scale}, a factor on the learning rate, which must be finite and 0 at least"
    if treatment.bn not in get_args(Statistics):
        yield f"has `bn` {treatment.bn!r}, which must be one of {', '.join(get_args(Statistics))}"


def _unlike(step: Step, treatments: Treatments, options: FreezingOptions) -> Iterator[str]:
    """Where a batch norm is not told to do one thing, the one that it must do."""
    found = {name: treatments[name] for name in parameters_of((step,))}
    modes = sorted({treatment.bn for treatment in found.values()})
    if len(modes) > 1:
        yield f"the parameters of {step.name} have `bn` {' and '.join(modes)}: one batch norm does one thing"
    elif any(treatment.trains for treatment in found.values()):
        if modes != ["train"]:
            yield f"{step.name} trains, and has `bn` {modes[0]}: a batch norm that trains has 'train'"
    elif modes != [options.bn]:
        yield f"{step.name} is frozen, and has `bn` {modes[0]}, where the options say {options.bn}"


def _compare(before: Treatments, after: Treatments, where: str, made: str) -> None:
    """Raise a `Fault` unless both are the same."""
    for name in before.keys() | after.keys():
        if before.get(name) != after.get(name):
            was, now = before.get(name), after.get(name)
            what = f"{where} it gives {was} for {name}, and {made} {now}"
            raise Fault(f"{what}: it must depend on options, plan and epoch alone, or a resumed run is another one")
