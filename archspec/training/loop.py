"""The loop: what happens in a step and in an epoch. It yields results and knows nothing of the screen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.optim import Optimizer

from archspec.data.loader import Batch, Loader
from archspec.data.mixing import Mixing
from archspec.data.randomness import STEP, seed_generator
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
    schedule: Callable[[int], float]
    """The factor on the learning rate at a step."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """Logits (B, classes), and labels (B,) or shares (B, classes) -> ()."""
    recipe: Recipe
    train_loader: Loader
    validation_loader: Loader
    normalize: Normalize
    mixing: Mixing
    dtype: torch.dtype | None
    """What a forward pass computes in; None is float32."""
    scaler: torch.amp.GradScaler
    epoch: int = 0
    step: int = 0
    peak_lrs: list[float] = field(init=False)
    """The learning rate of each group at the schedule's peak."""

    def __post_init__(self) -> None:
        self.peak_lrs = [group["lr"] for group in self.optimizer.param_groups]


@dataclass(frozen=True)
class StepResult:
    """One step. The tensors stay on the device: to read them makes the host wait for it."""

    epoch: int
    step: int
    batch: int
    batches: int
    images: int
    lr: float
    loss: Tensor
    """The batch's mean loss, before the update: ()."""
    correct: Tensor
    """How many images of the batch were classified right: (). A mixed image counts by the class it has most of."""


@dataclass(frozen=True)
class EpochResult:
    """One epoch: means over the training images, and the validation split's figures."""

    epoch: int
    step: int
    lr: float
    train_loss: float
    train_top1: float
    validation: Evaluation
    seconds: float
    images_per_second: float
    waited: float
    """Seconds in which training waited for images, the first batch left out."""
    skipped: int
    """Training images that could not be read."""


def train(trainer: Trainer) -> Iterator[StepResult | EpochResult]:
    """Train from the epoch that the trainer is at to the recipe's last.

    Raises:
        RunError: a loss is not finite.
        DataError: an image cannot be read.

    """
    look = 1 if trainer.normalize.device.type == "cpu" else _STEPS_A_LOOK
    while trainer.epoch < trainer.recipe.epochs:
        started = time.perf_counter()
        totals, waiting = _Totals(), list[StepResult]()
        for step in train_epoch(trainer):
            waiting.append(step)
            if len(waiting) == look or step.batch == step.batches:
                totals.add(waiting)
                waiting.clear()
            yield step
        seconds = time.perf_counter() - started
        validation = evaluate(trainer.network, trainer.validation_loader, trainer.normalize, trainer.dtype)
        trainer.epoch += 1
        yield EpochResult(
            epoch=trainer.epoch,
            step=trainer.step,
            lr=step.lr,
            train_loss=totals.loss / totals.images,
            train_top1=totals.correct / totals.images,
            validation=validation,
            seconds=time.perf_counter() - started,
            images_per_second=totals.images / seconds,
            waited=trainer.train_loader.waited,
            skipped=len(trainer.train_loader.skipped),
        )


def train_epoch(trainer: Trainer) -> Iterator[StepResult]:
    """Train one epoch, a step at a time."""
    trainer.network.train()
    batches = len(trainer.train_loader)
    for number, batch in enumerate(trainer.train_loader.epoch(trainer.epoch), start=1):
        yield train_step(trainer, batch, number, batches)


def train_step(trainer: Trainer, batch: Batch, number: int, batches: int) -> StepResult:
    """One step: forward, loss, backward, update."""
    recipe, optimizer, normalize = trainer.recipe, trainer.optimizer, trainer.normalize
    images, labels = normalize(batch.images), normalize.move(batch.labels)
    images, targets = trainer.mixing(images, labels, trainer.step)
    seed_generator(STEP, recipe.seed, trainer.step, device=normalize.device)  # for what the network draws
    factor = trainer.schedule(trainer.step)
    for group, peak in zip(optimizer.param_groups, trainer.peak_lrs, strict=True):
        group["lr"] = peak * factor
    with autocast(normalize.device, trainer.dtype):
        logits = trainer.network(images)
        loss = trainer.loss(logits, targets)
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
        lr=trainer.peak_lrs[0] * factor,
        loss=loss.detach(),
        correct=(logits.detach().argmax(1) == (labels if targets is labels else targets.argmax(1))).sum(),
    )


_STEPS_A_LOOK = 20
"""On a GPU, losses are looked at once in so many steps: each look waits for the device."""


class _Totals:
    """Sums over an epoch's steps."""

    def __init__(self) -> None:
        self.images, self.loss, self.correct = 0, 0.0, 0

    def add(self, steps: list[StepResult]) -> None:
        """Bring the steps' figures to the host, all at once."""
        losses = torch.stack([step.loss for step in steps]).tolist()
        for step, loss in zip(steps, losses, strict=True):
            if not math.isfinite(loss):
                raise RunError(
                    f"the loss is {loss} at step {step.step} (epoch {step.epoch}, batch {step.batch})",
                    help="a smaller learning rate (--lr) or a longer warm-up (recipe.warmup_epochs) usually mends it",
                )
            self.images += step.images
            self.loss += loss * step.images
        self.correct += int(torch.stack([step.correct for step in steps]).sum())
