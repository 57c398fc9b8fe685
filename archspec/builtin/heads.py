"""Heads: what turns the last map into logits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archspec import Builder, HeadOptions, Offer, Value, hookimpl


class ClassifierOptions(HeadOptions):
    """Options of the classifier."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of features set to zero while training."""


def classifier(net: Builder, x: Value, head: ClassifierOptions) -> Value:
    """linear(global_average_pool(x)): (C, H, W) -> (classes,)."""
    x = net.dropout(net.global_average_pool(x), head.dropout)
    return net.linear(x, head.classes)


@hookimpl
def archspec_heads() -> dict[str, Offer[ClassifierOptions]]:
    return {"classifier": Offer(ClassifierOptions, classifier, "global average pooling and a linear layer")}
