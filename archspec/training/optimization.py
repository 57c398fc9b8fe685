"""The optimizer's groups, the learning rate as a function of the step, class weights, the moving average."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from archspec.data.order import batches_in
from archspec.finetuning.freezing import Freezing
from archspec.training.recipe import Recipe

Tensors = tuple[Tensor, ...] | list[Tensor]


def make_optimizer(recipe: Recipe, network: nn.Module, freezing: Freezing | None = None) -> Optimizer:
    """The recipe's optimizer over the network's groups; those of a freezing, where it has one, are its for the run."""
    decay = getattr(recipe.optimizer, "weight_decay", 0.0)
    groups = group_parameters(network, decay) if freezing is None else _static(freezing, network, decay)
    return cast(Optimizer, recipe.optimizer.offer.make(recipe.optimizer, groups))


def steps_per_epoch(recipe: Recipe, images: int) -> int:
    """Updates of the weights in an epoch of so many images."""
    return math.ceil(batches_in(images, recipe.batch_size, shuffle=True) / recipe.accumulate)


def count_steps(recipe: Recipe, images: int) -> int:
    """Updates of the weights in the whole run."""
    return recipe.steps or recipe.epochs * steps_per_epoch(recipe, images)


def class_weights(labels: np.ndarray, classes: int) -> Tensor:
    """The weight of each class in the loss, (classes,): the inverse of its images; over the images, their mean is 1."""
    counts = np.bincount(labels, minlength=classes)
    return torch.from_numpy(len(labels) / (classes * counts)).float()


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of the network that follows it: average += (1 - d) (network - average), each step, buffers too.

    d is `decay`, and (1 + step) / (10 + step) at most, so that a short run does not keep its first weights.
    """

    def follow(averages: Tensors, values: Tensors, step: Tensor | int) -> None:
        if averages[0].is_floating_point():
            done = int(step)
            torch._foreach_lerp_(averages, values, 1 - min(decay, (1 + done) / (10 + done)))
        else:
            torch._foreach_copy_(averages, values)

    average = AveragedModel(network, multi_avg_fn=follow, use_buffers=True)
    average.module.eval().requires_grad_(False)
    return average


def group_parameters(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: weights, which decay, and norms and biases, which do not."""
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _static(freezing: Freezing, network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """A group for each kind of parameter: it decays or not, and it trains in some epochs, at some rates."""
    parameters = dict(network.named_parameters())
    return [
        {"params": [parameters[name] for name in group.names], "weight_decay": weight_decay if group.decays else 0.0}
        for group in freezing.groups
    ]


def learning_rate(recipe: Recipe, steps_per_epoch: int, total: int | None = None) -> Callable[[int], float]:
    """The factor on each group's learning rate at a step: a line up over the warm-up, the schedule, its last value.

    `total` is the number of steps; without it, those of the recipe's epochs. The warm-up takes a tenth of the run at
    most, and the cool-down half, so that a short run has time left to learn.
    """
    make, total = partial(recipe.schedule.offer.make, recipe.schedule), total or recipe.epochs * steps_per_epoch
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
