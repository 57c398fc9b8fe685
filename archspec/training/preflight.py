"""Before the first step: a batch goes through a copy of the network; memory and disk are compared with what is free.

What would end a run after an hour ends it here: a shape that fits no batch, an error of a transform, too little memory.
"""

from __future__ import annotations

import copy
import dataclasses
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from archspec.data.loader import Batch
from archspec.errors import RunError
from archspec.paths import existing_folder
from archspec.training.checkpoint import optimizer_tensors
from archspec.training.evaluation import autocast
from archspec.training.loop import Trainer, train_step
from archspec.training.machine import free_memory
from archspec.training.optimization import make_optimizer
from archspec.training.records import Progress
from archspec.training.route import choose_route
from archspec.training.switches import plain_faults


@dataclass(frozen=True)
class Forecast:
    """What a run will take."""

    step_seconds: float
    """Of one update of the weights, images already read; the median of those measured."""
    image_seconds: float
    """To evaluate one image."""
    memory: int
    """Bytes of weights, gradients, the optimizer, and of what the backward pass needs of a batch."""
    memory_free: int | None
    """None where the system does not tell."""
    disk: int
    """Bytes of the checkpoints: the best, the last, the one before, and one that is being written."""
    disk_free: int
    bf16_step_seconds: float | None = None
    """Of a step in bf16, on a CPU that was built for it and trains in float32 because nothing else is said."""


def rehearse(trainer: Trainer, folder: Path, steps: int = 1, *, compare: bool = False) -> Forecast:
    """Train a copy of the network for a few steps on the first batch, and evaluate it. The trainer stays as it is.

    With `compare`, steps in another precision are timed too, where that may be faster.

    Raises:
        RunError: the batch fits no memory, a loss is not finite, there is no room for checkpoints, or torch cannot do
            what the recipe switches on.
        DataError: an image cannot be read.

    """
    batch = trainer.train_loader.read(0)
    _refuse_memory(trainer)
    double = _double(trainer)
    try:
        with plain_faults():
            seconds = [_time_step(double, batch) for _ in range(steps)]
            image_seconds = _time_evaluation(double, batch)
            in_bf16 = _time_bf16(trainer, batch, steps) if compare and _may_be_faster_in_bf16(trainer) else None
    except torch.OutOfMemoryError as error:
        raise _no_memory(trainer, f"the device has too little memory for a batch of {len(batch.labels)}") from error
    forecast = Forecast(
        step_seconds=statistics.median(seconds[1:] or seconds),
        bf16_step_seconds=in_bf16,
        image_seconds=image_seconds,
        memory=_memory(trainer),
        memory_free=free_memory(trainer.normalize.device),
        disk=_disk(double, trainer),
        disk_free=shutil.disk_usage(existing_folder(folder)).free,
    )
    if forecast.disk > forecast.disk_free:
        message = f"checkpoints need {forecast.disk / 1e6:,.0f} MB in '{folder}', where {forecast.disk_free / 1e6:,.0f}"
        raise RunError(f"{message} MB are free", help="make room, or name another place with `--out`")
    return forecast


def epoch_seconds(trainer: Trainer, forecast: Forecast) -> float:
    """Seconds of an epoch, with its share of the evaluations."""
    evaluation = forecast.image_seconds * len(trainer.validation_loader.index) / trainer.recipe.evaluate_every
    return forecast.step_seconds * trainer.steps_per_epoch + evaluation


def _double(trainer: Trainer) -> Trainer:
    """A trainer of its own network and optimizer, at the beginning."""
    network = copy.deepcopy(trainer.network)
    return dataclasses.replace(
        trainer,
        network=network,
        optimizer=make_optimizer(trainer.recipe, network, trainer.freezing),
        features=None,
        route=None,
        average=None,
        forward=torch.compile(network) if trainer.forward is not None else None,  # torch keeps the code for the run
        scaler=torch.amp.GradScaler(trainer.normalize.device.type, enabled=trainer.scaler.is_enabled()),
        progress=Progress(),
        pending=[],
    )


def _time_step(double: Trainer, batch: Batch) -> float:
    """Seconds of a step; of the batches that it adds up, one is measured."""
    double.begin_epoch()
    began = time.perf_counter()
    double.pending.append(train_step(double, [batch]))
    double.settle()  # which waits for the device, and refuses a loss that is not finite
    double.progress = Progress()
    return (time.perf_counter() - began) * double.recipe.accumulate


def _may_be_faster_in_bf16(trainer: Trainer) -> bool:
    """On a CPU with AMX. It is not taken unasked: beside another process such a step may be ten times slower."""
    on_cpu = trainer.normalize.device.type == "cpu" and trainer.recipe.precision == "auto"
    capabilities: Callable[[], dict[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)  # since torch 2.11
    return on_cpu and bool(capabilities().get("amx_bf16"))


def _time_bf16(trainer: Trainer, batch: Batch, steps: int) -> float:
    double = _double(dataclasses.replace(trainer, dtype=torch.bfloat16))
    seconds = [_time_step(double, batch) for _ in range(steps)]
    return statistics.median(seconds[1:] or seconds)


def _time_evaluation(double: Trainer, batch: Batch) -> float:
    network = choose_route(double, double.progress.epoch).evaluated.eval()
    began = time.perf_counter()
    with torch.inference_mode(), autocast(double.normalize.device, double.dtype):
        network(double.normalize(batch.images)).float().cpu()
    return (time.perf_counter() - began) / len(batch.labels)


def _memory(trainer: Trainer) -> int:
    """4 bytes for each weight, its gradient, the optimizer's two figures and an average; and the activations."""
    recipe, plan = trainer.recipe, trainer.network.plan
    of_weights: int = 4 * plan.parameters * (4 + (trainer.average is not None))
    activations = plan.activation_memory * recipe.batch_size
    return of_weights + (activations if trainer.dtype is None else activations // 2)


def _refuse_memory(trainer: Trainer) -> None:
    needed, free = _memory(trainer), free_memory(trainer.normalize.device)
    if free is not None and needed > free:
        what = f"a batch of {trainer.recipe.batch_size} needs {needed / 1e9:.1f} GB of memory"
        raise _no_memory(trainer, f"{what}, and {free / 1e9:.1f} GB are free")


def _no_memory(trainer: Trainer, message: str) -> RunError:
    half = max(2, trainer.recipe.batch_size // 2)
    help = f"such as --batch-size {half} --set recipe.accumulate={2 * trainer.recipe.accumulate}, or a smaller input"
    return RunError(message, help=help)


def _disk(double: Trainer, trainer: Trainer) -> int:
    """Four models, and three times what training needs to go on."""
    model: int = sum(value.nbytes for value in trainer.network.state_dict().values())
    state = sum(value.nbytes for value in optimizer_tensors(double.optimizer, double.network).values())
    return 4 * model + 3 * (state + (model if trainer.average is not None else 0))
