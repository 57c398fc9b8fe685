"""The options that stems, blocks and heads share. A plugin's block derives its own options from `BlockOptions`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archspec.offers import Offered, Options

Filters = Annotated[int, Field(ge=1, le=1_000_000)]
Strides = Annotated[int, Field(ge=1, le=64)]


class Style(Options):
    """How convolutions, norms and activations are made. `defaults:` sets these for the whole network."""

    norm: Annotated[Options, Offered("norms", default="batch")]
    activation: Annotated[Options, Offered("activations", default="relu")]
    padding: Literal["symmetric", "tensorflow"] = "symmetric"
    """`symmetric` pads both sides by kernel // 2, as PyTorch does. `tensorflow` is TensorFlow's `same`: ceil(size /
    stride) outputs, and the odd pixel of padding goes right and below."""
    bias: bool = False
    """Whether convolutions have a bias."""


class StemOptions(Style):
    """Options of a stem."""

    strides: Strides = 2


class BlockOptions(Style):
    """Options of a block, as a stage gives them.

    A block is written `repeats` times; the planner hands `strides` to the first and 1 to the rest.
    """

    filters: Filters
    """The paper's width; a bottleneck's output is `filters * expansion`."""
    strides: Strides = 1
    repeats: Annotated[int, Field(ge=1, le=100_000)] = 1


class HeadOptions(Options):
    """Options of a head."""

    classes: Annotated[int, Field(ge=1, le=10_000_000)]
    softmax: bool = False
    """End in probabilities instead of logits. Training takes the logits before it either way."""
