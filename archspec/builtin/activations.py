"""Activations by name."""

from __future__ import annotations

from functools import partial

from archspec import Builder, Offer, Offers, Options, Value, hookimpl

_FUNCTIONS = {
    "relu": ("ReLU", "max(x, 0)"),
    "relu6": ("ReLU6", "min(max(x, 0), 6)"),
    "leaky-relu": ("LeakyReLU", "max(x, 0.01 x)"),
    "silu": ("SiLU", "x sigmoid(x), also called swish"),
    "gelu": ("GELU", "x times the normal distribution function of x"),
    "hard-swish": ("Hardswish", "x relu6(x + 3) / 6"),
    "mish": ("Mish", "x tanh(softplus(x))"),
    "elu": ("ELU", "x, or exp(x) - 1 below zero"),
    "tanh": ("Tanh", "hyperbolic tangent"),
    "none": (None, "x"),
}


def _activation(net: Builder, x: Value, options: Options, *, name: str, function: str | None) -> Value:
    return net.activation(x, function, name=name) if function else x


@hookimpl
def archspec_activations() -> Offers:
    return {
        name: Offer(Options, partial(_activation, function=function), summary)
        for name, (function, summary) in _FUNCTIONS.items()
    }
