"""A freezing policy: the head first, and then the biases too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

from archspec import FreezingOptions, ImpossibleFreezing, Offer, Offers, Plan, Treatment, hookimpl
from pydantic import Field


class BiasOptions(FreezingOptions):
    """Options of the policy, beside `bn`: what the batch norms of frozen layers do."""

    shorthand: ClassVar[str] = "after"
    """The option that `--freeze $name:VALUE` sets."""

    after: Annotated[int, Field(ge=0, le=100_000)] = 2
    """Epochs in which the head alone trains."""
    scale: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The factor on the learning rate of the biases."""


def biases(options: BiasOptions, plan: Plan) -> Callable[[int], Mapping[str, Treatment]]:
    """For `after` epochs the head trains, and then the biases of all layers too.  Ben Zaken et al. 2022.

    A function of the epoch, which counts from 0, and of nothing else, so that a run can be resumed.
    """
    names = [name for name, _, trains in plan.tensors() if trains]
    head = {name: 1.0 for name in names if name.startswith("head.")}
    if not head:
        raise ImpossibleFreezing("the head has no parameters", help="take another head, or another policy")
    found = {name: options.scale for name in names if name.endswith(".bias")}
    first, later = options.treatments(plan, head), options.treatments(plan, found | head)
    return lambda epoch: first if epoch < options.after else later


@hookimpl
def archspec_freezing_policies() -> Offers:
    return {"$name": Offer(BiasOptions, biases, "the head first, then the biases too")}
