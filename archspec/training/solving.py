"""A first epoch that is solved: the head's linear layer on kept features, in the place of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from archspec.data.index import TRAIN, VALIDATION
from archspec.errors import RunError
from archspec.finetuning.freezing import Freezing
from archspec.finetuning.solve import HeadResult, solve_head
from archspec.plan.branches import Dropout
from archspec.plan.operations import Linear
from archspec.plan.plan import Step
from archspec.training.recipe import Recipe
from archspec.training.records import Progress

if TYPE_CHECKING:
    from archspec.training.loop import Trainer


def solves_head(recipe: Recipe, freezing: Freezing) -> bool:
    """Whether a run that keeps features begins with a solved head.

    Raises:
        RunError: the recipe insists on it, and more than a linear layer trains in the first epoch.

    """
    if recipe.head == "steps":
        return False
    found = head_to_solve(freezing) is not None
    if recipe.head == "lbfgs" and not found:
        message = "`head: lbfgs` solves a linear layer behind a frozen network, and more than that trains in epoch 1"
        raise RunError(message, help="freeze the rest at first: head-only, lp-ft, gradual")
    return found


def head_to_solve(freezing: Freezing) -> Step | None:
    """The linear layer that alone trains in the first epoch, but for dropout beside it; None where more does."""
    tail = [step for step in freezing.plan.steps[freezing.phases[0].prefix.steps :] if step.name != "softmax"]
    linear = [step for step in tail if isinstance(step.operation, Linear)]
    if len(linear) != 1 or any(not isinstance(step.operation, Linear | Dropout) for step in tail):
        return None
    return linear[0]


def solve_first_epoch(trainer: Trainer) -> HeadResult:
    """Solve the head, and count the epoch's steps as done."""
    trainer.begin_epoch()
    features, cut, step = trainer.features, trainer.freezing.cut(0), head_to_solve(trainer.freezing)
    assert features is not None, "a session that solves its head keeps features"
    assert cut is not None, "a session that solves its head has a frozen prefix"
    assert step is not None, "a session that solves its head has one"
    linear = cast(nn.Linear, trainer.network.get_submodule(step.name))
    train, validation = features.matrix(TRAIN, cut), features.matrix(VALIDATION, cut)
    result = solve_head(linear, train, validation, trainer.loss)
    with torch.no_grad():
        logits = linear(train[0])
        loss, correct = float(trainer.loss(logits, train[1])), int((logits.argmax(1) == train[1]).sum())
    if trainer.average is not None:
        trainer.average.module.load_state_dict(trainer.network.state_dict())
    images = len(train[1])
    batches = len(trainer.train_loader)
    steps = trainer.steps_per_epoch
    trainer.progress = Progress(epoch=0, step=steps, batch=batches, images=images, loss=loss * images, correct=correct)
    return result
