"""Stems: what turns the image into the first map."""

from __future__ import annotations

from archspec import Builder, Offer, StemOptions, Value, hookimpl


def conv(net: Builder, x: Value, stem: StemOptions) -> Value:
    """act(norm(conv(x))): (C, H, W) -> (filters, H/strides, W/strides)."""
    return net.act(net.norm(net.conv(x, stem.filters, stem.kernel, stem.strides)))


def conv_pool(net: Builder, x: Value, stem: StemOptions) -> Value:
    """max_pool3x3(act(norm(conv(x)))): (C, H, W) -> (filters, H/2/strides, W/2/strides).  He et al. 2015, table 1."""
    return net.pool(conv(net, x, stem), "max", kernel=3, stride=2)


@hookimpl
def archspec_stems() -> dict[str, Offer[StemOptions]]:
    return {
        "conv": Offer(StemOptions, conv, "convolution, norm, activation"),
        "conv-pool": Offer(StemOptions, conv_pool, "convolution, norm, activation, 3x3 max-pool of stride 2"),
    }
