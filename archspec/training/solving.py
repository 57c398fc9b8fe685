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
from archspec.training.records import Progress

if TYPE_CHECKING:
    from archspec.training.loop import Trainer


def head_to_solve(freezing: Freezing) -> Step:
    """The linear layer that alone trains in the first epoch.

    Raises:
        RunError: more than that trains, or it does so for longer than an epoch.

    """
    first = freezing.phases[0]
    tail = [step for step in freezing.plan.steps[first.prefix.steps :] if step.name != "softmax"]
    linear = [step for step in tail if isinstance(step.operation, Linear)]
    if len(linear) != 1 or any(not isinstance(step.operation, Linear | Dropout) for step in tail):
        message = "`head: lbfgs` solves a linear layer behind a frozen network, and more than that trains in epoch 1"
        raise RunError(message, help="freeze the rest at first: head-only, lp-ft with probe: 1, gradual with every: 1")
    if first.stop != 1:
        message = f"`head: lbfgs` solves the head in one epoch, and it alone trains in {first.stop}"
        raise RunError(message, help="give that phase one epoch: --epochs 1 with head-only, probe: 1 with lp-ft")
    return linear[0]


def solve_first_epoch(trainer: Trainer) -> HeadResult:
    """Solve the head, and count the epoch's steps as done."""
    trainer.begin_epoch()
    features, cut = trainer.features, trainer.freezing.cut(0)
    assert features is not None, "a session with `head: lbfgs` keeps features"
    assert cut is not None, "a session with `head: lbfgs` has a frozen prefix"
    linear = cast(nn.Linear, trainer.network.get_submodule(head_to_solve(trainer.freezing).name))
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
