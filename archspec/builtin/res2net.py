"""Res2Net: a bottleneck whose middle works at several scales.  Gao et al. 2019."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archspec import Builder, Offer, Offered, Offers, Options, Value, hookimpl
from archspec.builtin.blocks import ShortcutOptions, attend, groups_of, join


class Res2NetOptions(ShortcutOptions):
    """Options of the Res2Net block."""

    attention: Annotated[Options, Offered("attentions", default="none")]
    expansion: Annotated[int, Field(ge=1, le=64)] = 4
    """Output channels as a multiple of `filters`."""
    scale: Annotated[int, Field(ge=2, le=64)] = 4
    """Into how many parts the map is split."""
    width: Annotated[float, Field(gt=0, le=64)] = 26 / 64
    """Channels of a part as a multiple of `filters`."""
    zero_init_residual: bool = False
    """Start the last norm's scale at zero, so that a block starts as its shortcut.  Goyal et al. 2017."""


def _split(net: Builder, x: Value, part: int, block: Res2NetOptions, *, reshaped: bool) -> Value:
    """The map in parts: act(norm(conv3x3(part + the one before))) of each but the last, and the last as it is.

    Where the block changes the shape, nothing is added, and the last part is pooled.
    """
    parts = [net.slice(x, at * part, (at + 1) * part) for at in range(block.scale)]
    made: list[Value] = []
    for number, y in enumerate(parts[:-1]):
        y = net.add(made[-1], y) if made and not reshaped else y
        groups, dilation = groups_of(part, block), block.entry_dilation
        y = net.conv(y, part, 3, block.strides, groups=groups, dilation=dilation, name=f"convs{number}")
        made.append(net.act(net.norm(y, name=f"norms{number}")))
    last = net.pool(parts[-1], "average", 3, block.strides) if reshaped else parts[-1]
    return net.concat(*made, last)


def res2net(net: Builder, x: Value, block: Res2NetOptions) -> Value:
    """act(shortcut(x) + norm(conv1x1(split(act(norm(conv1x1(x))))))).  Gao et al. 2019, fig. 2b."""
    part, channels = int(block.filters * block.width), block.filters * block.expansion
    y = net.act(net.norm(net.conv(x, part * block.scale, 1, name="conv1"), name="norm1"))
    y = _split(net, y, part, block, reshaped=block.reshapes(x.channels, channels))
    y = net.norm(net.conv(y, channels, 1, name="conv3"), name="norm3", zero_init=block.zero_init_residual)
    return join(net, x, attend(net, x, y, block.attention), block)


@hookimpl
def archspec_blocks() -> Offers:
    return {"res2net": Offer(Res2NetOptions, res2net, "1x1, 3x3 over parts of the map in turn, 1x1")}
