"""A stem of 3x3 convolutions of stride 2, as vision transformers train more easily with."""

from __future__ import annotations

from typing import Annotated

from archspec import Builder, Offer, Offers, StemOptions, Value, hookimpl
from pydantic import Field


class SteppedOptions(StemOptions):
    """Options of the stem, beside those of every stem: `strides` and a style."""

    filters: Annotated[int, Field(ge=2, le=65_536)] = 64
    """Output channels; the first convolution makes half as many."""


def stepped(net: Builder, x: Value, stem: SteppedOptions) -> Value:
    """Two of act(norm(conv3x3(x))): (C, H, W) -> (filters, H/(2 strides), W/(2 strides)).  Xiao et al. 2021."""
    x = net.conv(x, stem.filters // 2, 3, stem.strides, name="conv1")
    x = net.act(net.norm(x, name="norm1"))
    x = net.conv(x, stem.filters, 3, 2, name="conv2")
    return net.act(net.norm(x, name="norm2"))


@hookimpl
def archspec_stems() -> Offers:
    return {"$name": Offer(SteppedOptions, stepped, "two 3x3 convolutions")}
