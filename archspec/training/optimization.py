"""The optimizer's groups, and the learning rate as a function of the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from torch import nn
from torch.optim import Optimizer

from archspec.training.recipe import Recipe


def make_optimizer(recipe: Recipe, network: nn.Module) -> Optimizer:
    """The recipe's optimizer over two groups: weights, which decay, and norms and biases, which do not."""
    decay = getattr(recipe.optimizer, "weight_decay", 0.0)
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    return cast(Optimizer, recipe.optimizer.offer.make(recipe.optimizer, groups))


def learning_rate(recipe: Recipe, steps_per_epoch: int) -> Callable[[int], float]:
    """The factor on each group's learning rate at a step: a line up over the warm-up, then the schedule.

    The warm-up takes a tenth of the run at most, so that a short run has time left to learn.
    """
    total = recipe.epochs * steps_per_epoch
    warmup = min(round(recipe.warmup_epochs * steps_per_epoch), total // 10)
    schedule: Callable[[int], float] = recipe.schedule.offer.make(recipe.schedule, total - warmup)
    return lambda step: (step + 1) / (warmup + 1) if step < warmup else schedule(step - warmup)
