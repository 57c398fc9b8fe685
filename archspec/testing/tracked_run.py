"""A made-up run, as a tracker is told of it: a few epochs of a few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from archspec.training.evaluation import Evaluation
from archspec.training.results import EpochResult, StepResult

EPOCHS, BATCHES, _IMAGES = 4, 5, 8


def describe_run(path: Path, *, done: int) -> dict[str, Any]:
    """What a tracker is told when a run begins, or goes on after so many epochs."""
    return {
        "name": path.name,
        "path": str(path),
        "spec": {"name": "small", "input": {"channels": 3, "size": [16, 16]}},
        "recipe": {"epochs": EPOCHS, "batch_size": _IMAGES, "optimizer": {"type": "sgd", "lr": 0.1}, "seed": 0},
        "data": {"data": {"type": "imagefolder", "root": "photos"}},
        "run": {"device": "cpu", "threads": 1, "seed": 0, "classes": ["cat", "dog"]},
        "epoch": done,
        "step": done * BATCHES,
    }


_NOT_EVALUATED = 2


def step_result(epoch: int, batch: int) -> StepResult:
    """A step of an epoch; both count from 1."""
    step = (epoch - 1) * BATCHES + batch
    return StepResult(
        epoch=epoch,
        step=step,
        batch=batch,
        batches=BATCHES,
        images=_IMAGES,
        lr=0.1 / step,
        loss=torch.tensor(2.0 / step),
        correct=torch.tensor(step % _IMAGES),
        gradient_norm=torch.tensor(1.0 / step),
        positions=torch.arange(_IMAGES),
    )


def epoch_result(epoch: int) -> EpochResult:
    """An epoch, which counts from 1. A recipe may leave out an evaluation."""
    measured = Evaluation(top1=1 - 1 / (epoch + 2), top5=1.0, balanced=1 - 1 / (epoch + 2), loss=2.5 / epoch, images=20)
    return EpochResult(
        epoch=epoch,
        step=epoch * BATCHES,
        lr=0.1 / (epoch * BATCHES),
        train_loss=2.0 / epoch,
        train_top1=1 - 1 / (epoch + 1),
        validation=None if epoch == _NOT_EVALUATED else measured,
        seconds=1.0,
        images_per_second=40.0,
        waited=0.0,
        skipped=0,
    )
