"""The loop: what happens in a step and in an epoch. It yields results and knows nothing of the screen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from archspec.data.loader import Batch, Loader
from archspec.data.randomness import STEP, seed_everything
from archspec.data.transforms import Normalize
from archspec.errors import RunError
from archspec.network.compile import Network
from archspec.training.evaluation import Evaluation, autocast, evaluate
from archspec.training.recipe import Recipe


@dataclass
class Trainer:
    """What the loop works with. `network` ends in logits; `epoch` and `step` count what is done."""

    network: Network
    optimizer: Optimizer
    rate: Callable[[int], float]
    """The factor on the learning rate at a step."""
    recipe: Recipe
    train_loader: Loader
    validation_loader: Loader
    normalize: Normalize
    dtype: torch.dtype | None
    """What a forward pass computes in; None is float32."""
    scaler: torch.amp.GradScaler
    epoch: int = 0
    step: int = 0
    base_rates: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]


@dataclass(frozen=True)
class StepResult:
    """One step. The tensors stay on the device: to read them makes the host wait for it."""

    epoch: int
    step: int
    batch: int
    batches: int
    images: int
    rate: float
    loss: Tensor
    """The batch's mean loss, before the update: ()."""
    right: Tensor
    """How many images of the batch were classified right: ()."""


@dataclass(frozen=True)
class EpochResult:
    """One epoch: means over the training images, and the validation split's figures."""

    epoch: int
    step: int
    rate: float
    train_loss: float
    train_top1: float
    validation: Evaluation
    seconds: float
    images_per_second: float


def train(trainer: Trainer) -> Iterator[StepResult | EpochResult]:
    """Train from the epoch that the trainer is at to the recipe's last.

    Raises:
        RunError: a loss is not finite.
        DataError: an image cannot be read.

    """
    while trainer.epoch < trainer.recipe.epochs:
        started = time.perf_counter()
        steps: list[StepResult] = []
        for step in train_epoch(trainer):
            steps.append(step)
            yield step
        losses, right = _gathered(steps)
        images = [step.images for step in steps]
        seconds = time.perf_counter() - started
        validation = evaluate(
            trainer.network,
            trainer.validation_loader,
            trainer.normalize,
            trainer.dtype,
            channels_last=trainer.recipe.channels_last,
        )
        trainer.epoch += 1
        yield EpochResult(
            epoch=trainer.epoch,
            step=trainer.step,
            rate=steps[-1].rate,
            train_loss=sum(loss * count for loss, count in zip(losses, images, strict=True)) / sum(images),
            train_top1=sum(right) / sum(images),
            validation=validation,
            seconds=time.perf_counter() - started,
            images_per_second=sum(images) / seconds,
        )


def train_epoch(trainer: Trainer) -> Iterator[StepResult]:
    """Train one epoch, a step at a time."""
    trainer.network.train()
    batches = len(trainer.train_loader)
    unchecked: list[StepResult] = []
    interval = 1 if trainer.normalize.device.type == "cpu" else _CHECKED
    for number, batch in enumerate(trainer.train_loader.epoch(trainer.epoch), start=1):
        result = train_step(trainer, batch, number, batches)
        unchecked.append(result)
        if len(unchecked) == interval or number == batches:
            _check_finite(unchecked)
            unchecked.clear()
        yield result


def train_step(trainer: Trainer, batch: Batch, number: int, batches: int) -> StepResult:
    """One step: forward, loss, backward, update."""
    recipe, optimizer, device = trainer.recipe, trainer.optimizer, trainer.normalize.device
    seed_everything(STEP, recipe.seed, trainer.step)  # for what the network draws
    factor = trainer.rate(trainer.step)
    for group, base in zip(optimizer.param_groups, trainer.base_rates, strict=True):
        group["lr"] = base * factor
    images = trainer.normalize(batch.images)
    if not recipe.channels_last:
        images = images.contiguous()
    labels = batch.labels.to(device, non_blocking=True)
    with autocast(device, trainer.dtype):
        logits = trainer.network(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
    optimizer.zero_grad()
    trainer.scaler.scale(loss).backward()
    trainer.scaler.step(optimizer)
    trainer.scaler.update()
    trainer.step += 1
    return StepResult(
        epoch=trainer.epoch + 1,
        step=trainer.step,
        batch=number,
        batches=batches,
        images=len(labels),
        rate=trainer.base_rates[0] * factor,
        loss=loss.detach(),
        right=(logits.detach().argmax(1) == labels).sum(),
    )


_CHECKED = 20
"""On a GPU, losses are looked at once in so many steps: each look waits for the device."""


def _gathered(steps: list[StepResult]) -> tuple[list[float], list[float]]:
    """The losses and the counts of right answers, brought to the host in one go each."""
    losses, right = (torch.stack([getattr(step, name) for step in steps]).tolist() for name in ("loss", "right"))
    return losses, right


def _check_finite(steps: list[StepResult]) -> None:
    for step, loss in zip(steps, _gathered(steps)[0], strict=True):
        if not math.isfinite(loss):
            raise RunError(
                f"the loss is {loss} at step {step.step} (epoch {step.epoch}, batch {step.batch})",
                help="a smaller learning rate (--lr) or a longer warm-up (recipe.warmup_epochs) usually mends it",
            )
