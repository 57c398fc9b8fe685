"""A shortcut that blurs before it strides, so that no pixel is left out."""

from __future__ import annotations

from archspec import BlockOptions, Builder, Offer, Offers, Options, Value, hookimpl


def blurred(net: Builder, x: Value, block: BlockOptions, channels: int) -> Value:
    """norm(conv1x1(blur(x))) where the shape changes, else x: (C, H, W) -> (channels, H/strides, W/strides).

    Zhang 2019, section 3.2.
    """
    if not block.reshapes(x.channels, channels):
        return x
    if block.strides > 1:
        x = net.blur_pool(x, block.strides, name="blur")
    return net.norm(net.conv(x, channels, 1))


@hookimpl
def archspec_shortcuts() -> Offers:
    return {"$name": Offer(Options, blurred, "a blur and a 1x1 convolution")}
