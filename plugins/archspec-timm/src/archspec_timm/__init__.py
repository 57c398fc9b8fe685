"""timm in archspec: the stages of its networks as a stem and blocks, and its optimizers by name.

A stage of timm's is one operation of the plan, an ordinary `nn.Module`, which torch is asked about when a spec has one:
its shapes, tensors and multiply-adds are exact. What it cannot say: how far its pixels see, and how many layers it has.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from archspec import BlockOptions, Builder, ImpossibleShape, Offer, Offers, Options, StemOptions, Value, hookimpl
from archspec_timm.operation import TimmStage

_DOCS = "https://huggingface.co/docs/timm"
_CANNOT = "tell how far its pixels see, or be folded or dilated: it is one module"
Model = Annotated[str, Field(min_length=1, max_length=200)]


class TimmStemOptions(StemOptions):
    """Options of the stem. Its style is timm's, and `strides` too: where they are said, they are compared with it."""

    model: Model
    """A network of timm's: `timm.list_models()` has their names. The stem is all up to its first feature map."""


class TimmBlockOptions(BlockOptions):
    """Options of the block. Its style is timm's: what the spec says of norms and activations does not reach it.

    `filters` and `strides` are what the stage makes, and are compared with it.
    """

    model: Model
    """A network of timm's."""
    stage: Annotated[int, Field(ge=1, le=100)]
    """From which feature map of its to the next: 1 is what makes the second one. A ResNet has 1 to 4."""


class TimmOptimizerOptions(Options):
    """Options of timm's optimizers."""

    name: Annotated[str, Field(min_length=1)] = "lamb"
    """`timm.optim.list_optimizers()` has their names."""
    lr: Annotated[float, Field(gt=0)] = 5e-3
    """The learning rate at the schedule's peak."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    """Of weights; norms and biases have none."""
    momentum: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Of those that have one; nothing to the others."""
    betas: Annotated[tuple[Annotated[float, Field(ge=0, lt=1)], ...], Field(min_length=2, max_length=3)] | None = None
    """The shares that are kept of running means; where nothing is said, the optimizer's own."""
    eps: Annotated[float, Field(gt=0)] | None = None
    """Added to a denominator; where nothing is said, the optimizer's own."""


def stem(net: Builder, x: Value, options: TimmStemOptions) -> Value:
    """timm's network up to its first feature map: (C, H, W) -> (C', H', W')."""
    operation = TimmStage(options.model, 0, x.shape)
    if "strides" in options.model_fields_set and options.strides != operation.stride:
        message = f"the stem of '{options.model}' has {operation.stride} strides, and the spec says {options.strides}"
        raise ImpossibleShape(message, "strides", help="leave `strides` out: they are timm's")
    return net.write(operation, x, name="timm")


def stage(net: Builder, x: Value, block: TimmBlockOptions) -> Value:
    """A stage of timm's network: (C, H, W) -> (filters, H/strides, W/strides)."""
    operation = TimmStage(block.model, block.stage, x.shape)
    if block.repeats > 1:
        message = f"'{block.model}' has its stage {block.stage} once, and `repeats` is {block.repeats}"
        raise ImpossibleShape(message, "repeats", help="give each stage an entry of its own")
    for option, given, made in (
        ("filters", block.filters, operation.output_shape(x.shape)[0]),
        ("strides", block.strides, operation.stride),
    ):
        if given != made:
            raise ImpossibleShape(f"{operation.what} has {made} {option}, and the spec says {given}", option)
    return net.write(operation, x, name="timm")


def optimizer(options: TimmOptimizerOptions, groups: list[dict[str, Any]]) -> Any:
    """An optimizer by its name in timm."""
    from archspec_timm.optimizers import make_optimizer

    return make_optimizer(options, groups)


@hookimpl
def archspec_stems() -> Offers:
    return {"timm": Offer(TimmStemOptions, stem, "the beginning of a network of timm's", docs=_DOCS, cannot=_CANNOT)}


@hookimpl
def archspec_blocks() -> Offers:
    return {"timm": Offer(TimmBlockOptions, stage, "a stage of a network of timm's", docs=_DOCS, cannot=_CANNOT)}


@hookimpl
def archspec_optimizers() -> Offers:
    return {"timm": Offer(TimmOptimizerOptions, optimizer, "an optimizer of timm's, by name", docs=_DOCS)}
