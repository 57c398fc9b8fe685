"""RepVGG: branches in training, which become one convolution for inference.  Ding et al. 2021."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archspec import Builder, Offer, Offers, ResidualBlockOptions, StemOptions, Value, hookimpl

Form = Literal["training", "inference"]


class RepVggOptions(ResidualBlockOptions):
    """Options of RepVGG's block."""

    form: Form = "training"
    """`inference`: one convolution with a bias, which is what folding the three branches gives."""


class RepVggStemOptions(StemOptions):
    """Options of RepVGG's stem."""

    filters: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    """Output channels."""
    form: Form = "training"
    """`inference`: one convolution with a bias, which is what folding the three branches gives."""


def _fused(net: Builder, x: Value, filters: int, strides: int, dilation: int = 1) -> Value:
    """act(conv3x3(x)), under the name of the branch that the others are folded into."""
    with net.scope("conv3x3"):
        y = net.conv(x, filters, 3, strides, dilation=dilation, bias=True, standardized=False)
    return net.act(y)


def _sides(net: Builder, x: Value, filters: int, strides: int, dilation: int = 1) -> Value:
    """norm(conv1x1(x)) + norm(conv3x3(x))."""
    with net.scope("conv1x1"):
        small = net.norm(net.conv(x, filters, 1, strides))
    with net.scope("conv3x3"):
        large = net.norm(net.conv(x, filters, 3, strides, dilation=dilation))
    return net.add(small, large)


def repvgg(net: Builder, x: Value, block: RepVggOptions) -> Value:
    """act(norm(conv1x1(x)) + norm(conv3x3(x)) + norm(x)), as it is trained.  Ding et al. 2021, fig. 2b.

    norm(x) stands where the shape stays; drop path, which the paper has not, drops what is added to it.
    """
    dilation = block.entry_dilation
    if block.form == "inference":
        return _fused(net, x, block.filters, block.strides, dilation)
    if block.reshapes(x.channels, block.filters):
        return net.act(_sides(net, x, block.filters, block.strides, dilation))
    identity = net.norm(x, name="identity")
    y = _sides(net, x, block.filters, block.strides, dilation)
    return net.act(net.add(net.drop_path(y, block.drop_path), identity))


def repvgg_stem(net: Builder, x: Value, stem: RepVggStemOptions) -> Value:
    """act(norm(conv1x1(x)) + norm(conv3x3(x))): the block, as a stem, which changes the shape."""
    if stem.form == "inference":
        return _fused(net, x, stem.filters, stem.strides)
    return net.act(_sides(net, x, stem.filters, stem.strides))


@hookimpl
def archspec_blocks() -> Offers:
    return {"repvgg": Offer(RepVggOptions, repvgg, "3x3, 1x1 and identity in parallel, as trained")}


@hookimpl
def archspec_stems() -> Offers:
    return {"repvgg": Offer(RepVggStemOptions, repvgg_stem, "RepVGG's block as a stem")}
