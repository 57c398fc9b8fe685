"""The options that stems, blocks and heads share. A plugin's block derives its own options from `BlockOptions`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archspec.offers import Offered, Options

Filters = Annotated[int, Field(ge=1, le=1_000_000)]
Strides = Annotated[int, Field(ge=1, le=64)]
Dilation = Annotated[int, Field(ge=1, le=64)]


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
    weight_standardization: bool = False
    """Use each filter less its mean, over its standard deviation.  Qiao et al. 2019."""
    standardization_eps: Annotated[float, Field(gt=0, le=1)] = 1e-6
    """Added to a filter's variance. BiT has 1e-8."""


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

    def reshapes(self, in_channels: int, out_channels: int) -> bool:
        """Whether a shortcut cannot be the identity: channels change, or pixels do."""
        return in_channels != out_channels or self.strides != 1


class ResidualBlockOptions(BlockOptions):
    """Options of a block that can be dilated and dropped, which every built-in block is.

    The planner hands each block its own: with `output_stride`, strides become dilation; `drop_path` becomes the
    block's rate.
    """

    dilation: Dilation = 1
    """Of the convolutions larger than 1x1: the distance of the pixels that they see.  Yu and Koltun 2016."""
    first_dilation: Dilation | None = None
    """That of the stage's first such convolution, where it is another, as behind a stride that was left out."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of images for which a block's path is dropped while training.  Huang et al. 2016."""
    drop_path_rule: Literal["linear", "constant"] = "linear"
    """`linear`: from 0 in the network's first block to `drop_path` in its last; `constant`: the same in all."""

    @property
    def entry_dilation(self) -> int:
        """Of the first convolution larger than 1x1."""
        return self.first_dilation or self.dilation

    def reshapes(self, in_channels: int, out_channels: int) -> bool:
        """The same; and a stride that became dilation keeps its shortcut, so that tensors stay what they were."""
        return super().reshapes(in_channels, out_channels) or self.entry_dilation != self.dilation


class HeadOptions(Options):
    """Options of a head."""

    classes: Annotated[int, Field(ge=1, le=10_000_000)]
    """How many logits. Training takes the number of classes in the data."""
    softmax: bool = False
    """End in probabilities instead of logits. Training takes the logits before it either way."""
