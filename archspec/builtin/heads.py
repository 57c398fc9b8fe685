"""Heads: what turns the last map into logits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archspec import Builder, HeadOptions, Offer, Offers, Style, Value, hookimpl


class ClassifierOptions(HeadOptions):
    """Options of the classifier."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """The share of features set to zero while training."""


class StyledClassifierOptions(ClassifierOptions, Style):
    """Options of a classifier with a norm of its own."""


class ConvClassifierOptions(StyledClassifierOptions):
    """Options of a classifier with a convolution of its own."""

    filters: Annotated[int, Field(ge=1, le=1_000_000)] = 1280


def classifier(net: Builder, x: Value, head: ClassifierOptions) -> Value:
    """linear(global_average_pool(x)): (C, H, W) -> (classes,)."""
    x = net.dropout(net.global_average_pool(x), head.dropout)
    return net.linear(x, head.classes)


def preact_classifier(net: Builder, x: Value, head: StyledClassifierOptions) -> Value:
    """classifier(act(norm(x))): (C, H, W) -> (classes,).  He et al. 2016, for blocks that end without a norm."""
    return classifier(net, net.act(net.norm(x)), head)


def conv_classifier(net: Builder, x: Value, head: ConvClassifierOptions) -> Value:
    """classifier(act(norm(conv1x1(x)))): (C, H, W) -> (classes,).  Sandler et al. 2018."""
    return classifier(net, net.act(net.norm(net.conv(x, head.filters, 1))), head)


def norm_classifier(net: Builder, x: Value, head: StyledClassifierOptions) -> Value:
    """linear(norm(global_average_pool(x))): (C, H, W) -> (classes,).  Liu et al. 2022."""
    x = net.dropout(net.norm(net.global_average_pool(x)), head.dropout)
    return net.linear(x, head.classes)


@hookimpl
def archspec_heads() -> Offers:
    return {
        "classifier": Offer(ClassifierOptions, classifier, "global average pooling and a linear layer"),
        "preact-classifier": Offer(StyledClassifierOptions, preact_classifier, "norm, activation, classifier"),
        "conv-classifier": Offer(ConvClassifierOptions, conv_classifier, "1x1 convolution, norm, act, classifier"),
        "norm-classifier": Offer(StyledClassifierOptions, norm_classifier, "pooling, norm, linear layer"),
    }
