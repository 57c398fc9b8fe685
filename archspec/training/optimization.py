"""The optimizer's groups, and the learning rate as a function of the step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from torch import nn
from torch.optim import Optimizer

from archspec.training.recipe import Recipe


def make_optimizer(recipe: Recipe, network: nn.Module) -> Optimizer:
    """The recipe's optimizer over the network's groups."""
    groups = group_parameters(network, getattr(recipe.optimizer, "weight_decay", 0.0))
    return cast(Optimizer, recipe.optimizer.offer.make(recipe.optimizer, groups))


def group_parameters(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: weights, which decay, and norms and biases, which do not."""
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def learning_rate(recipe: Recipe, steps_per_epoch: int) -> Callable[[int], float]:
    """The factor on each group's learning rate at a step: a line up over the warm-up, the schedule, its last value.

    The warm-up takes a tenth of the run at most, and the cool-down half, so that a short run has time left to learn.
    """
    make, total = partial(recipe.schedule.offer.make, recipe.schedule), recipe.epochs * steps_per_epoch
    epochs = recipe.warmup_epochs
    if epochs is None:
        epochs = 0.0 if make(total)(0) < 1 else 1.0  # a second rise before its own would only lose time
    warmup = min(round(epochs * steps_per_epoch), total // 10)
    steps = total - warmup - min(round(recipe.cooldown_epochs * steps_per_epoch), total // 2)
    schedule: Callable[[int], float] = make(steps)

    def factor(step: int) -> float:
        if step < warmup:
            return schedule(0) * (step + 1) / (warmup + 1)
        return schedule(min(step - warmup, steps - 1))

    return factor
