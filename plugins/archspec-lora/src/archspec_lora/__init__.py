"""Low-rank adapters on convolutions, as a freezing policy: the weights stay, and what is added to them trains.

Hu et al. 2022, LoRA, https://arxiv.org/abs/2106.09685: W + (alpha / rank) B A. Of a convolution, A is one of its kernel
that makes `rank` channels, and B is 1x1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from archspec import Conv, FreezingOptions, ImpossibleFreezing, Norm, Offer, Offers, Options, Plan, hookimpl
from archspec_lora.operation import LoraConv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import rich_click as click

    from archspec import Step, Treatment


_PAPER = "https://arxiv.org/abs/2106.09685"


class LoraOptions(FreezingOptions):
    """Options of low-rank adapters."""

    shorthand: ClassVar[str | None] = "rank"

    rank: Annotated[int, Field(ge=1, le=4096)] = 8
    """Channels between A and B."""
    alpha: Annotated[float, Field(gt=0, le=100_000)] = 16.0
    """What the adapters add is multiplied by alpha / rank, so that another rank takes the same learning rate."""
    norms: bool = False
    """Train the scales and shifts of norms, too."""


def rewrite(options: LoraOptions, plan: Plan) -> Plan:
    """The plan with adapters on the stages' convolutions: those of one group, not padded as TensorFlow does.

    Raises:
        ImpossibleFreezing: there is no such convolution.

    """
    steps = tuple(_adapt(options, step) for step in plan.steps)
    if steps == plan.steps:
        message = f"no stage of {plan.name} has a convolution of one group that can have an adapter"
        raise ImpossibleFreezing(message, help="take another policy, such as `head-only` or `norm-only`")
    return replace(plan, steps=steps)


def _adapt(options: LoraOptions, step: Step) -> Step:
    """The step with an adapter, if it is one of a stage that can have it; else the step."""
    conv = step.operation
    if not (step.name.startswith("stages.") and isinstance(conv, Conv)):
        return step
    if conv.groups != 1 or conv.padding == "tensorflow" or conv.standardized is not None:
        return step
    return replace(step, operation=LoraConv(conv, options.rank, options.alpha))


def lora(options: LoraOptions, plan: Plan) -> Callable[[int], Mapping[str, Treatment]]:
    """Adapters and head train throughout, and norms where the options say so; all else is frozen."""
    names = [name for name, _, trained in plan.tensors() if trained and _trains(options, plan, name)]
    treatments = options.treatments(plan, dict.fromkeys(names, 1.0))
    return lambda epoch: treatments


def _trains(options: LoraOptions, plan: Plan, name: str) -> bool:
    step = next(step for step in plan.steps if name.startswith(f"{step.name}."))
    if isinstance(step.operation, LoraConv):
        return name.removeprefix(f"{step.name}.") in step.operation.added
    return name.startswith("head.") or (options.norms and isinstance(step.operation, Norm))


def merge_command() -> click.Command:
    """`archspec lora-merge RUN OUT`."""
    from archspec_lora.command import merge

    return merge


@hookimpl
def archspec_freezing_policies() -> Offers:
    summary = "low-rank adapters on the stages' convolutions, and the head"
    cannot = "adapt convolutions of several groups, with TensorFlow's padding, or with standardized weights"
    return {"lora": Offer(LoraOptions, lora, summary, docs=_PAPER, cannot=cannot, rewrite=rewrite)}


@hookimpl
def archspec_commands() -> Offers:
    return {"lora-merge": Offer(Options, merge_command, "write a run's weights with its adapters merged into them")}
