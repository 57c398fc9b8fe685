"""Options -> policy: asks the offer, and turns what is impossible into an error at its line. No torch here."""

from __future__ import annotations

from typing import Any

from archspec.errors import Diagnostic, DocumentError, PluginError, place_raised
from archspec.finetuning.treatment import ImpossibleFreezing, Policy, Treatments
from archspec.offers import Offer, Options
from archspec.plan.plan import Plan
from archspec.plan.planner import plan_network
from archspec.spec.arch import ArchSpec
from archspec.spec.settings import point_at_option


def make_policy(options: Options, plan: Plan, epochs: int) -> Policy:
    """The policy of these options for a plan, under which something trains in a run of so many epochs.

    Raises:
        DocumentError: its options ask what this plan cannot give, or nothing ever trains; it says at which line.
        PluginError: the policy is broken.

    """
    offer = options.offer
    try:
        policy: Policy = _ask(offer, options, plan)
    except ImpossibleFreezing as error:
        raise DocumentError([_diagnostic(error, options)]) from None
    if set(first := _treatments(policy, 0, offer)) != {name for name, _, trained in plan.tensors() if trained}:
        raise PluginError(f"{_what(offer)} must treat every parameter of {plan.name}, and nothing else, by its name")
    if not any(t.trains for t in first.values()) and not any(
        t.trains for epoch in range(1, epochs) for t in _treatments(policy, epoch, offer).values()
    ):
        message = f"nothing trains in any of {epochs:,} epochs under '{offer.name}'"
        raise DocumentError([point_at_option(options, ("type",), message)])
    return policy


def plan_under(options: Options, spec: ArchSpec) -> Plan:
    """The plan of a spec under a freezing policy, with the parameters that the policy adds to it, if it does.

    Raises:
        DocumentError: no such network can exist, or the policy's options ask what it cannot give.
        PluginError: the policy is broken.

    """
    plan = plan_network(spec)
    try:
        return rewritten(options, plan)
    except ImpossibleFreezing as error:
        raise DocumentError([_diagnostic(error, options)]) from None


def rewritten(options: Options, plan: Plan) -> Plan:
    """What a policy's offer makes of a plan before anything trains: all that was there is still there, by its name.

    Raises:
        ImpossibleFreezing: the options ask what the plan cannot give.
        PluginError: the offer does more than to add parameters.

    """
    rewrite = options.offer.rewrite
    if rewrite is None:
        return plan
    made = rewrite(options, plan)
    if not isinstance(made, Plan):
        raise PluginError(f"{_what(options.offer)} must rewrite a plan to an archspec.Plan, not {made!r}")
    if (fault := _lost(plan, made)) is not None:
        raise PluginError(f"{_what(options.offer)} rewrites {plan.name} so that {fault}: it may only add parameters")
    return made


def _lost(plan: Plan, made: Plan) -> str | None:
    """What of a plan is not in what was made of it."""
    if (made.name, made.input, made.init, made.blocks) != (plan.name, plan.input, plan.init, plan.blocks):
        return "its name, input, init or blocks are others"
    if [step.name for step in made.steps] != [step.name for step in plan.steps]:
        return "its steps have other names, or another number"
    for before, after in zip(plan.steps, made.steps, strict=True):
        if (after.inputs, after.output, after.role) != (before.inputs, before.output, before.role):
            return f"{before.name} has other inputs, another output or another role"
        for kind in ("parameters", "buffers"):
            had, has = getattr(before.operation, kind)(), getattr(after.operation, kind)()
            for name, shape in had.items():
                if has.get(name) != shape:
                    return f"{before.name}.{name} is {has.get(name) or 'missing'}, and was {shape}"
    return None


def _ask(offer: Offer[Any], options: Options, plan: Plan) -> Policy:
    try:
        policy = offer.make(options, plan)
    except (ImpossibleFreezing, PluginError):
        raise
    except Exception as error:
        raise _broken(offer, error) from error
    if not callable(policy):
        raise PluginError(f"{_what(offer)} must return a function of the epoch, not {policy!r}")
    made: Policy = policy
    return made


def _treatments(policy: Policy, epoch: int, offer: Offer[Any]) -> Treatments:
    try:
        return policy(epoch)
    except PluginError:
        raise
    except Exception as error:
        raise _broken(offer, error) from error


def _broken(offer: Offer[Any], error: Exception) -> PluginError:
    return PluginError(f"{_what(offer)} fails: {type(error).__name__}: {error} ({place_raised(error)})")


def _what(offer: Offer[Any]) -> str:
    return f"'{offer.name}' among {offer.kind} of {offer.origin}"


def _diagnostic(error: ImpossibleFreezing, options: Options) -> Diagnostic:
    notes = (error.help,) if error.help else ()
    return point_at_option(options, error.path, str(error), error.hint, notes)
