"""Solves a linear head on frozen features: all images at once, by L-BFGS, the penalty chosen on validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PENALTIES = tuple(10 ** (-exponent / 2) for exponent in range(2, 13))
"""L2 penalties that are tried, from 0.1 down to 1e-6: each begins where the one before it ended."""
_ITERATIONS = 200

Loss = Callable[[Tensor, Tensor], Tensor]
Examples = tuple[Tensor, Tensor]
"""Features (N, C) and labels (N,)."""


@dataclass(frozen=True)
class HeadResult:
    """A head that was solved."""

    penalty: float
    """The L2 penalty that did best on the validation images."""
    loss: float
    """The mean cross entropy there, in nats."""


def solve_head(
    linear: nn.Linear, train: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor], loss: Loss
) -> HeadResult:
    """Put the weights into a linear layer that make loss + penalty / 2 * |W|^2 smallest.

    The penalty is the one of `PENALTIES` whose solution
    has the least cross entropy on the validation images. The bias has no penalty. Liu and Nocedal 1989.
    """
    best: tuple[float, float, Tensor, Tensor] | None = None
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    for penalty in PENALTIES:
        _minimise(linear, *train, loss, penalty)
        with torch.no_grad():
            found = float(F.cross_entropy(linear(validation[0]), validation[1]))
        if best is None or found < best[0]:
            best = found, penalty, linear.weight.detach().clone(), linear.bias.detach().clone()
    assert best is not None, "some penalty was tried"
    with torch.no_grad():
        linear.weight.copy_(best[2])
        linear.bias.copy_(best[3])
    return HeadResult(penalty=best[1], loss=best[0])


def _minimise(linear: nn.Linear, features: Tensor, labels: Tensor, loss: Loss, penalty: float) -> None:
    optimizer = torch.optim.LBFGS(
        linear.parameters(),
        max_iter=_ITERATIONS,
        tolerance_grad=1e-6,
        tolerance_change=1e-10,
        line_search_fn="strong_wolfe",
    )

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        value = loss(linear(features), labels) + penalty / 2 * linear.weight.square().sum()
        value.backward()
        return value

    optimizer.step(evaluate)
    optimizer.zero_grad()
