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
from pathlib import Path
from typing import Any

import torch

from archspec.data.loader import Batch
from archspec.errors import RunError
from archspec.paths import existing_folder
from archspec.training.checkpoint import optimizer_tensors
from archspec.training.evaluation import autocast
from archspec.training.events import Events
from archspec.training.features import Features
from archspec.training.forecast import Forecast, PhaseTime
from archspec.training.loop import Trainer, train_step
from archspec.training.machine import free_memory
from archspec.training.optimization import make_optimizer
from archspec.training.records import Progress
from archspec.training.route import BehindPrefix
from archspec.training.switches import plain_faults


def rehearse(trainer: Trainer, folder: Path, steps: int = 1, *, compare: bool = False) -> Forecast:
    """Train a copy of the network for a few steps on the first batch, and evaluate it. The trainer stays as it is.

    With `compare`, steps in another precision are timed too, where that may be faster.

    Raises:
        RunError: the batch fits no memory, a loss is not finite, there is no room for checkpoints, or torch cannot do
            what the recipe switches on.
        DataError: an image cannot be read.

    """
    batch = trainer.train_loader.read(0)
    memory, memory_free = _memory(trainer), free_memory(trainer.normalize.device)  # before the copy takes some
    if memory_free is not None and memory > memory_free:
        what = f"a batch of {trainer.recipe.batch_size} needs {memory / 1e9:.1f} GB of memory"
        raise _no_memory(trainer, f"{what}, and {memory_free / 1e9:.1f} GB are free")
    double = _double(trainer)
    try:
        with plain_faults():
            phases = _time_phases(double, batch, steps, trainer.features)
            in_bf16 = None
            if compare and _may_be_faster_in_bf16(trainer):
                with_bf16 = _double(dataclasses.replace(trainer, dtype=torch.bfloat16))
                in_bf16 = _time_phases(with_bf16, batch, steps, trainer.features)
    except torch.OutOfMemoryError as error:
        raise _no_memory(trainer, f"the device has too little memory for a batch of {len(batch.labels)}") from error
    forecast = Forecast(
        phases=phases,
        bf16=in_bf16,
        memory=memory,
        memory_free=memory_free,
        disk=_disk(double, trainer),
        disk_free=shutil.disk_usage(existing_folder(folder)).free,
    )
    if forecast.disk > forecast.disk_free:
        message = f"checkpoints need {forecast.disk / 1e6:,.0f} MB in '{folder}', where {forecast.disk_free / 1e6:,.0f}"
        raise RunError(f"{message} MB are free", help="make room, or name another place with `--out`")
    return forecast


def _double(trainer: Trainer) -> Trainer:
    """A trainer of its own network and optimizer, at the beginning."""
    network = copy.deepcopy(trainer.network)
    return dataclasses.replace(
        trainer,
        network=network,
        optimizer=make_optimizer(trainer.recipe, network, trainer.freezing),
        features=None,
        events=Events(),
        route=None,
        average=None,
        forward=torch.compile(network) if trainer.forward is not None else None,  # torch keeps the code for the run
        scaler=torch.amp.GradScaler(trainer.normalize.device.type, enabled=trainer.scaler.is_enabled()),
        progress=Progress(),
        pending=[],
    )


def _time_phases(double: Trainer, batch: Batch, steps: int, features: Features | None) -> tuple[PhaseTime, ...]:
    """What each phase takes: its prefix where that is kept, its steps behind it, and evaluation."""
    found = []
    for phase in double.freezing.phases:
        double.progress = Progress(epoch=phase.start)
        double.begin_epoch()
        entering, prefix_seconds = batch, None
        if features is not None and double.freezing.cut(phase.start) is not None:
            entering, prefix_seconds = _go_behind(double, batch, features)
        seconds = [_time_step(double, entering) for _ in range(steps)]
        step_seconds = statistics.median(seconds[1:] or seconds)
        found.append(PhaseTime(phase.start, step_seconds, _time_evaluation(double, entering), prefix_seconds))
    return tuple(found)


def _go_behind(double: Trainer, batch: Batch, features: Features) -> tuple[Batch, float]:
    """The batch as the features that are kept of it, where the route then begins; and a prefix's seconds an image."""
    route = double.route
    assert route is not None, "an epoch has begun"
    assert isinstance(route.forward, BehindPrefix), "a phase with a frozen prefix has it in its route"
    assert isinstance(route.evaluated, BehindPrefix), "and measures behind it"
    images = features.look(double.progress.epoch, batch.positions)  # they may be of another size than the batch
    for _ in range(2):  # the first pass prepares what later ones use
        began = time.perf_counter()
        with torch.no_grad(), autocast(route.enter.device, double.dtype):
            kept = route.forward.prefix(features.pixels(images)).float().cpu()
        seconds = time.perf_counter() - began
    forward, evaluated = route.forward.tail, route.evaluated.tail
    double.route = dataclasses.replace(route, enter=features.enter, forward=forward, evaluated=evaluated)
    return dataclasses.replace(batch, images=kept), seconds / len(batch.labels)


def _time_step(double: Trainer, batch: Batch) -> float:
    """Seconds of a step; of the batches that it adds up, one is measured."""
    before = double.progress
    began = time.perf_counter()
    double.pending.append(train_step(double, [batch]))
    double.settle()  # which waits for the device, and refuses a loss that is not finite
    seconds = (time.perf_counter() - began) * double.recipe.accumulate
    double.progress = before
    return seconds


def _may_be_faster_in_bf16(trainer: Trainer) -> bool:
    """On a CPU with AMX. It is not taken unasked: beside another process such a step may be ten times slower."""
    on_cpu = trainer.normalize.device.type == "cpu" and trainer.recipe.precision == "auto"
    capabilities: Callable[[], dict[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)  # since torch 2.11
    return on_cpu and bool(capabilities().get("amx_bf16"))


def _time_evaluation(double: Trainer, batch: Batch) -> float:
    """Seconds of an image."""
    route = double.route
    assert route is not None, "an epoch has begun"
    network = route.evaluated.eval()
    began = time.perf_counter()
    with torch.inference_mode(), autocast(route.enter.device, double.dtype):
        network(route.enter(batch.images)).float().cpu()
    return (time.perf_counter() - began) / len(batch.labels)


def _memory(trainer: Trainer) -> int:
    """4 bytes for each weight, its gradient, the optimizer's two figures and an average; and the activations."""
    recipe, plan = trainer.recipe, trainer.network.plan
    of_weights: int = 4 * plan.parameters * (4 + (trainer.average is not None))
    activations = plan.activation_memory * recipe.batch_size
    return of_weights + (activations if trainer.dtype is None else activations // 2)


def _no_memory(trainer: Trainer, message: str) -> RunError:
    half = max(2, trainer.recipe.batch_size // 2)
    help = f"such as --batch-size {half} --set recipe.accumulate={2 * trainer.recipe.accumulate}, or a smaller input"
    return RunError(message, help=help)


def _disk(double: Trainer, trainer: Trainer) -> int:
    """Four models, and three times what training needs to go on."""
    model: int = sum(value.nbytes for value in trainer.network.state_dict().values())
    state = sum(value.nbytes for value in optimizer_tensors(double.optimizer, double.network).values())
    both = trainer.average is not None or trainer.events.act_around("saving")
    return 4 * model + 3 * (state + (model if both else 0))
