"""The loop: what happens in a step and in an epoch. It yields results and knows nothing of the screen."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from archspec.data.loader import Batch, Loader
from archspec.data.mixing import Mixing
from archspec.data.randomness import STEP, seed_generator
from archspec.data.transforms import Normalize
from archspec.errors import RunError
from archspec.finetuning.freezing import Freezing
from archspec.finetuning.parts import set_training
from archspec.network.compile import Network
from archspec.training.evaluation import autocast, evaluate
from archspec.training.events import Events
from archspec.training.features import Features
from archspec.training.recipe import Recipe
from archspec.training.records import Progress
from archspec.training.results import EpochResult, Result, StepResult
from archspec.training.route import Route, choose_route
from archspec.training.solving import solve_first_epoch


@dataclass
class Trainer:
    """What the loop works with. `network` ends in logits; `progress` says what is done."""

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
    total_steps: int
    freezing: Freezing
    """What trains in which epoch."""
    features: Features | None = None
    """What a frozen prefix makes of the images, where the recipe keeps it."""
    events: Events = field(default_factory=Events)
    """What acts on the run at certain times."""
    average: AveragedModel | None = None
    """The moving average of the network, which is evaluated in its place."""
    forward: Callable[[Tensor], Tensor] | None = None
    """The network, compiled; None where it runs as it is."""
    progress: Progress = field(default_factory=Progress)
    pending: list[StepResult] = field(default_factory=list)
    """Steps whose losses were not looked at yet."""
    route: Route | None = None
    """How images become logits in the epoch that has begun."""
    peak_lrs: list[float] = field(init=False)
    """The learning rate of each group at the schedule's peak."""

    def __post_init__(self) -> None:
        self.peak_lrs = [group["lr"] for group in self.optimizer.param_groups]

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.train_loader) / self.recipe.accumulate)

    @property
    def epochs(self) -> int:
        """How many the run has; the last may be cut short by its number of steps."""
        return math.ceil(self.total_steps / self.steps_per_epoch)

    @property
    def evaluated(self) -> Network:
        """The network that evaluation measures, and `best` keeps."""
        return self.network if self.average is None else cast(Network, self.average.module)

    @property
    def solves_head(self) -> bool:
        """Whether the first epoch solves the head, in place of steps."""
        return self.features is not None and self.features.views.all_first

    @property
    def finished(self) -> bool:
        return self.progress.step >= self.total_steps

    def begin_epoch(self) -> None:
        """Freeze what the epoch freezes, and put the network into training mode."""
        epoch = self.progress.epoch
        self.route = choose_route(self, epoch)
        self.route.trained.train()
        set_training(self.network, self.freezing.phase(epoch).treatments)

    def learning_rates(self, step: int, epoch: int) -> list[float]:
        """Each group's at a step of an epoch; 0 for one that is frozen."""
        factor, scales = self.schedule(step), self.freezing.scales(epoch)
        return [peak * factor * scale for peak, scale in zip(self.peak_lrs, scales, strict=True)]

    def settle(self) -> None:
        """Look at the losses of the steps since the last look, and count them.

        Raises:
            RunError: a loss or a gradient is not finite.

        """
        if self.pending:
            self.progress = _count(self.progress, self.pending, self)
            self.pending.clear()


def train(trainer: Trainer) -> Iterator[Result]:
    """Train from where the trainer is to the last step.

    Raises:
        RunError: a loss or a gradient is not finite.
        DataError: an image cannot be read.

    """
    look = 1 if trainer.normalize.device.type == "cpu" else _STEPS_A_LOOK
    while not trainer.finished or trainer.progress.batch:
        started, images = time.perf_counter(), 0
        if trainer.features is not None:
            yield from trainer.features.fill(trainer, trainer.progress.epoch)
        if trainer.solves_head and trainer.progress.step == 0:
            yield solve_first_epoch(trainer)
            images = trainer.progress.images
        for step in train_epoch(trainer):
            images += step.images
            trainer.pending.append(step)
            if len(trainer.pending) == look:
                trainer.settle()
            yield step
        trainer.settle()
        yield _finish_epoch(trainer, images, started)


def train_epoch(trainer: Trainer) -> Iterator[StepResult]:
    """Train what is left of an epoch, a step at a time."""
    trainer.begin_epoch()
    assert trainer.route is not None, "an epoch has begun"
    done = trainer.progress
    batches = trainer.route.train_loader.epoch(done.epoch, start=done.batch)
    while not trainer.finished and (group := list(itertools.islice(batches, trainer.recipe.accumulate))):
        yield train_step(trainer, group)


def train_step(trainer: Trainer, batches: list[Batch]) -> StepResult:
    """One step: forward, loss and backward for each batch, then the update."""
    done, optimizer, device = trainer.progress, trainer.optimizer, trainer.normalize.device
    rates = trainer.learning_rates(done.step, done.epoch)
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    optimizer.zero_grad()
    images = sum(len(batch.labels) for batch in batches)
    loss, correct = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device)
    for number, batch in enumerate(batches, start=done.batch):
        logits, targets, part = _forward(trainer, batch, number)
        part = part * (len(batch.labels) / images)
        trainer.scaler.scale(part).backward()
        loss += part.detach()
        correct += (logits.argmax(1) == (targets if targets.ndim == 1 else targets.argmax(1))).sum()
    norm = _update(trainer)
    trainer.progress = done.model_copy(update={"step": done.step + 1, "batch": batches[-1].number + 1})
    return StepResult(
        epoch=done.epoch + 1,
        step=done.step + 1,
        batch=trainer.progress.batch,
        batches=len(trainer.train_loader),
        images=images,
        lr=max(rates),
        loss=loss,
        correct=correct,
        gradient_norm=norm,
        positions=torch.cat([batch.positions for batch in batches]),
    )


def _forward(trainer: Trainer, batch: Batch, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (B, classes), targets (B,) or (B, classes), and the batch's mean loss ()."""
    recipe, epoch, route = trainer.recipe, trainer.progress.epoch, trainer.route
    assert route is not None, "an epoch has begun"
    images, labels = route.enter(batch.images), route.enter.move(batch.labels)
    images, targets = trainer.mixing(images, labels, epoch, number)
    seed_generator(STEP, recipe.seed, epoch, number, device=route.enter.device)  # for what the network draws
    with autocast(route.enter.device, trainer.dtype):
        logits = route.forward(images)
        loss = trainer.loss(logits, targets)
    return logits.detach(), targets, loss


def _update(trainer: Trainer) -> Tensor:
    """Change the weights by their gradients, whose length it returns: ()."""
    trainer.scaler.unscale_(trainer.optimizer)
    parameters = [parameter for parameter in trainer.network.parameters() if parameter.grad is not None]
    norm = nn.utils.get_total_norm([parameter.grad for parameter in parameters])  # type: ignore[misc]
    if trainer.recipe.clip_norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, trainer.recipe.clip_norm, norm)
    trainer.scaler.step(trainer.optimizer)
    trainer.scaler.update()
    if trainer.average is not None:
        trainer.average.update_parameters(trainer.network)
    return norm


def _finish_epoch(trainer: Trainer, images: int, started: float) -> EpochResult:
    """Measure the network where the recipe wants it, and begin the next epoch's count."""
    seconds = time.perf_counter() - started
    done, route = trainer.progress, trainer.route
    assert route is not None, "an epoch has ended"
    epoch = done.epoch + 1
    validation = None
    if epoch % trainer.recipe.evaluate_every == 0 or trainer.finished:
        measure = partial(evaluate, route.evaluated, route.validation_loader, route.enter, trainer.dtype)
        validation = trainer.events.evaluate(trainer, measure)
    lr = max(trainer.learning_rates(done.step - 1, done.epoch))
    trainer.progress = Progress(epoch=epoch, step=done.step)
    return EpochResult(
        epoch=epoch,
        step=done.step,
        lr=lr,
        train_loss=done.loss / done.images,
        train_top1=done.correct / done.images,
        validation=validation,
        seconds=time.perf_counter() - started,
        images_per_second=images / seconds,
        waited=route.train_loader.waited,
        skipped=len(trainer.train_loader.skipped),
    )


_STEPS_A_LOOK = 20
"""On a GPU, losses are looked at once in so many steps: each look waits for the device."""


def _count(progress: Progress, steps: list[StepResult], trainer: Trainer) -> Progress:
    """The progress with these steps' figures, which are brought to the host all at once."""
    losses, norms, correct = (
        torch.stack([getattr(step, name) for step in steps]).tolist() for name in ("loss", "gradient_norm", "correct")
    )
    for step, loss, norm in zip(steps, losses, norms, strict=True):
        if not math.isfinite(loss):
            raise _not_finite(trainer, step, f"the loss is {loss}")
        if not math.isfinite(norm) and not trainer.scaler.is_enabled():  # which passes over such a step
            raise _not_finite(trainer, step, f"the gradient's length is {norm}")
    totals = {
        "images": progress.images + sum(step.images for step in steps),
        "loss": progress.loss + sum(loss * step.images for loss, step in zip(losses, steps, strict=True)),
        "correct": progress.correct + sum(correct),
    }
    return progress.model_copy(update=totals)


_FILES_NAMED = 8


def _not_finite(trainer: Trainer, step: StepResult, what: str) -> RunError:
    """The error of a step that broke the network, with its images."""
    names = [trainer.train_loader.index.name(position) for position in step.positions.tolist()]
    more = f" and {len(names) - _FILES_NAMED} more" if len(names) > _FILES_NAMED else ""
    return RunError(
        f"{what} at step {step.step} (epoch {step.epoch}, batch {step.batch}), "
        f"of the images {', '.join(names[:_FILES_NAMED])}{more}",
        help="a smaller learning rate (--lr), a longer warm-up (recipe.warmup_epochs) or recipe.clip_norm usually "
        "mends it; the last checkpoint is as it was",
    )
