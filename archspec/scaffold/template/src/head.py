"""A head with a hidden layer."""

from __future__ import annotations

from typing import Annotated

from archspec import Builder, HeadOptions, Offer, Offers, Value, hookimpl
from pydantic import Field


class HiddenOptions(HeadOptions):
    """Options of the head, beside `classes` and `softmax`."""

    hidden: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """Features of the layer before the logits."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """The share of those features set to zero while training."""


def hidden(net: Builder, x: Value, head: HiddenOptions) -> Value:
    """linear(hardswish(linear(global_average_pool(x)))): (C, H, W) -> (classes,).  Howard et al. 2019."""
    y = net.linear(net.global_average_pool(x), head.hidden, name="hidden")
    y = net.dropout(net.activation(y, "Hardswish"), head.dropout)
    return net.linear(y, head.classes)


@hookimpl
def archspec_heads() -> Offers:
    return {"$name": Offer(HiddenOptions, hidden, "a pool and two linear layers")}
