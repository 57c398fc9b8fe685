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
    """Normalises what convolutions give; in pre-activation blocks, what they take."""
    activation: Annotated[Options, Offered("activations", default="relu")]
    """The nonlinearity between convolutions."""
    padding: Literal["symmetric", "tensorflow"] = "symmetric"
    """`symmetric` pads both sides by kernel // 2, as PyTorch does. `tensorflow` is TensorFlow's `same`: ceil(size /
    stride) outputs, and the odd pixel of padding goes right and below."""
    bias: bool = False
    """Whether convolutions have a bias."""


class StemOptions(Style):
    """Options of a stem."""

    strides: Strides = 2
    """Of the first convolution; a pool comes on top."""


class BlockOptions(Style):
    """Options of a block, as a stage gives them.

    A block is written `repeats` times; the planner hands `strides` to the first and 1 to the rest.
    """

    filters: Filters
    """The paper's width; a bottleneck's output is `filters * expansion`."""
    strides: Strides = 1
    """Of the stage's first block; the others have 1."""
    repeats: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Blocks in the stage."""


class HeadOptions(Options):
    """Options of a head."""

    classes: Annotated[int, Field(ge=1, le=10_000_000)]
    """How many logits. Training takes the number of classes in the data."""
    softmax: bool = False
    """End in probabilities instead of logits. Training takes the logits before it either way."""
