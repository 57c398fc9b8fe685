"""GhostNet for archspec: half of a map is computed, and the rest made of it by cheap depthwise convolutions.

Han et al. 2020, GhostNet: More Features from Cheap Operations, https://arxiv.org/abs/1911.11907.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic.config import JsonDict

from archspec import (
    Builder,
    HeadOptions,
    Offer,
    Offered,
    Offers,
    Options,
    ResidualBlockOptions,
    Style,
    Value,
    hookimpl,
)

_PAPER = "https://arxiv.org/abs/1911.11907"
SPEC = Path(__file__).with_name("ghostnet-100.yaml")
"""GhostNet 1.0x."""
TIMM_NAMES = Path(__file__).with_name("ghostnet-100.timm.yaml")
"""What timm calls the tensors of GhostNet 1.0x, for `--map`."""

_ODD: JsonDict = {"not": {"multipleOf": 2}}


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"must be odd, unlike {value}: an even kernel makes a map larger than its shortcut")
    return value


Kernel = Annotated[int, Field(ge=1, le=255, json_schema_extra=_ODD), AfterValidator(_odd)]


class GhostOptions(ResidualBlockOptions):
    """Options of the ghost block. `filters` are its output channels."""

    kernel: Kernel = 3
    """Of the strided depthwise convolutions, an odd number."""
    expansion: Annotated[float, Field(gt=0, le=64)] = 3.0
    """Inner channels as a multiple of the input's."""
    ratio: Annotated[int, Field(ge=2, le=16)] = 2
    """One channel in so many is computed by a 1x1 convolution, and the others are made of it."""
    cheap_kernel: Kernel = 3
    """Of the depthwise convolutions that make them, an odd number."""
    attention: Annotated[Options, Offered("attentions", default="none")]
    """A gate over the inner channels."""


class GhostClassifierOptions(HeadOptions, Style):
    """Options of GhostNet's head."""

    filters: Annotated[int, Field(ge=1, le=1_000_000)] = 960
    """Of the 1x1 convolution before pooling."""
    features: Annotated[int, Field(ge=1, le=1_000_000)] = 1280
    """Of the layer behind it."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of features set to zero while training."""


def ghost_module(
    net: Builder, x: Value, channels: int, block: GhostOptions, *, dilation: int, activated: bool, name: str
) -> Value:
    """concat(y, depthwise(y)), where y = conv1x1(x), each with norm and activation.  Han et al. 2020, fig. 1b.

    (C, H, W) -> (channels, H, W)
    """
    primary = math.ceil(channels / block.ratio)
    with net.scope(name):
        y = net.norm(net.conv(x, primary, 1, name="primary"), name="norm1")
        y = net.act(y) if activated else y
        made = primary * (block.ratio - 1)
        z = net.conv(y, made, block.cheap_kernel, groups=primary, dilation=dilation, name="cheap")
        z = net.norm(z, name="norm2")
        y = net.concat(y, net.act(z) if activated else z)
        return net.slice(y, 0, channels) if y.channels > channels else y


def ghost(net: Builder, x: Value, block: GhostOptions) -> Value:
    """The shortcut added to norm(cheap(attention(norm(depthwise(act(cheap(x))))))), cheap being a ghost module.

    The depthwise convolution stands where the block strides.  Han et al. 2020, fig. 3.
    """
    before, after = block.entry_dilation, block.dilation
    inner = max(1, round(x.channels * block.expansion))
    strided = block.strides > 1 or before != after
    y = ghost_module(net, x, inner, block, dilation=before, activated=True, name="ghost1")
    if strided:
        y = net.conv(y, inner, block.kernel, block.strides, groups=inner, dilation=before, name="depthwise")
        y = net.norm(y, name="norm")
    y = block.attention.offer.make(net, y, block.attention, x.channels)
    y = ghost_module(net, y, block.filters, block, dilation=after, activated=False, name="ghost2")
    y = net.drop_path(y, block.drop_path)
    with net.scope("shortcut", role="shortcut"):
        x = _shortcut(net, x, block)
    return net.add(y, x)


def _shortcut(net: Builder, x: Value, block: GhostOptions) -> Value:
    """norm(conv1x1(norm(depthwise(x)))) where the shape changes, else x."""
    if not block.reshapes(x.channels, block.filters):
        return x
    dilation = block.entry_dilation
    y = net.conv(x, x.channels, block.kernel, block.strides, groups=x.channels, dilation=dilation, name="depthwise")
    return net.norm(net.conv(net.norm(y, name="norm1"), block.filters, 1, name="conv"), name="norm2")


def ghost_classifier(net: Builder, x: Value, head: GhostClassifierOptions) -> Value:
    """linear(act(conv1x1(mean(act(norm(conv1x1(x))))))): (C, H, W) -> (classes,).  Han et al. 2020, table 1."""
    x = net.act(net.norm(net.conv(x, head.filters, 1, name="conv1"), name="norm1"))
    x = net.conv(net.channel_mean(x), head.features, 1, bias=True, padding="valid", standardized=False, name="conv2")
    x = net.dropout(net.global_average_pool(net.act(x)), head.dropout)  # of one pixel: (C, 1, 1) -> (C,)
    return net.linear(x, head.classes)


@hookimpl
def archspec_blocks() -> Offers:
    return {"ghost": Offer(GhostOptions, ghost, "ghost module, depthwise, ghost module: GhostNet", docs=_PAPER)}


@hookimpl
def archspec_heads() -> Offers:
    return {
        "ghost-classifier": Offer(
            GhostClassifierOptions,
            ghost_classifier,
            "classifier behind a 1x1 convolution, a pool and another one",
            docs=_PAPER,
        )
    }
