"""A training session: from settings to a trainer, and from its results to a run directory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from archspec.data.decode import mode_for, probe_image
from archspec.data.index import TRAIN, VALIDATION, ImageData, ImageIndex
from archspec.data.loader import Loader, default_workers
from archspec.data.preprocessing import preprocessing_for
from archspec.data.randomness import INIT, seed_everything
from archspec.data.transforms import EvaluationTransform, Normalize, TrainTransform
from archspec.errors import DataError, RunError
from archspec.network.compile import Network, compile_network
from archspec.plan.planner import plan_network
from archspec.spec.arch import ArchSpec
from archspec.training.checkpoint import (
    STATE,
    open_checkpoint,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    save_checkpoint,
)
from archspec.training.loop import EpochResult, StepResult, Trainer, train
from archspec.training.optimization import learning_rate, make_optimizer
from archspec.training.recipe import DataChoice, Recipe
from archspec.training.run import Run, create_run

_PROBED = 20_000
"""So many images are opened before training, spread over the split: an error early is worth a second or two."""


@dataclass
class Session:
    """A run on its way: `best` is the record of the best epoch so far."""

    run: Run
    data: ImageData
    trainer: Trainer
    best: dict[str, Any] | None = None


def choose_device(name: str) -> torch.device:
    """The device of a name; `auto` takes a GPU where there is one.

    Raises:
        RunError: torch knows no such device, or it is not there.

    """
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"the device '{name}' cannot be used: {reason}", help="`--device cpu` always can") from error
    return device


def compute_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """What a forward pass computes in; None is float32."""
    if precision == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else None
    return {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def fit_head(spec: ArchSpec, data: ImageData) -> ArchSpec:
    """The spec with as many classes in its head as the data has."""
    return spec.model_copy(update={"head": spec.head.model_copy(update={"classes": len(data.classes)})})


def logits_network(spec: ArchSpec, state: dict[str, torch.Tensor] | None = None) -> Network:
    """The network of a spec up to its logits: a softmax in the head is left to the loss."""
    plan = plan_network(spec)
    end = "softmax" if plan.blocks[-1].name == "softmax" else None
    try:
        return compile_network(plan, end=end, state=state)
    except (KeyError, RuntimeError) as error:
        raise RunError(f"the checkpoint's tensors are not those of its spec: {error}") from error


def new_session(
    spec: ArchSpec,
    recipe: Recipe,
    choice: DataChoice,
    data: ImageData,
    *,
    out: Path,
    command: list[str],
    device: torch.device,
    workers: int | None,
) -> Session:
    """Begin a run. `spec` has the data's number of classes already.

    Raises:
        DataError: an image cannot be opened, or the data does not suit the network.
        RunError: the directory exists already.

    """
    for split in (TRAIN, VALIDATION):
        probe(data.splits[split])
    run = Run(
        path=out,
        spec=spec,
        recipe=recipe,
        data=choice,
        classes=data.classes,
        preprocessing=preprocessing_for(spec.input, recipe.crop, recipe.mean, recipe.std),
        threads=torch.get_num_threads(),
    )
    seed_everything(INIT, recipe.seed)
    trainer = _trainer(run, data, logits_network(spec), device, workers)
    create_run(run, command, str(device))
    return Session(run, data, trainer)


def resume_session(run: Run, data: ImageData, *, device: torch.device, workers: int | None) -> Session:
    """Go on with a run from its last checkpoint, or from the beginning where it has none yet.

    Raises:
        RunError: the checkpoint is damaged.
        DataError: the data has other classes than the run.

    """
    if data.classes != run.classes:
        raise DataError(f"the data's classes are no longer those of the run '{run.path}'", file=data.root)
    torch.set_num_threads(run.threads)
    manifest = open_checkpoint(run.last)
    open_checkpoint(run.best)
    if manifest is None:
        seed_everything(INIT, run.recipe.seed)
        run.forget_after(0)
        return Session(run, data, _trainer(run, data, logits_network(run.spec), device, workers))
    trainer = _trainer(run, data, logits_network(run.spec, read_checkpoint(run.last)), device, workers)
    restore_optimizer(trainer.optimizer, trainer.network, read_checkpoint(run.last, STATE))
    trainer.scaler.load_state_dict(manifest["scaler"])
    trainer.epoch, trainer.step = manifest["epoch"], manifest["step"]
    run.forget_after(trainer.epoch)
    return Session(run, data, trainer, manifest["best"])


def _trainer(run: Run, data: ImageData, network: Network, device: torch.device, workers: int | None) -> Trainer:
    recipe, preprocessing = run.recipe, run.preprocessing
    mode_for(preprocessing.channels)
    memory = torch.channels_last if recipe.channels_last else torch.contiguous_format
    network = network.to(device=device, memory_format=memory)  # type: ignore[call-overload]
    common: dict[str, Any] = {
        "batch_size": recipe.batch_size,
        "seed": recipe.seed,
        "workers": default_workers() if workers is None else workers,
        "pin_memory": device.type == "cuda",
    }
    train_transform = TrainTransform(preprocessing, recipe.augmentation)
    train_loader = Loader(data.splits[TRAIN], preprocessing.channels, train_transform, shuffle=True, **common)
    evaluation_transform = EvaluationTransform(preprocessing)
    validation_loader = Loader(data.splits[VALIDATION], preprocessing.channels, evaluation_transform, **common)
    dtype = compute_dtype(recipe.precision, device)
    return Trainer(
        network=network,
        optimizer=make_optimizer(recipe, network),
        rate=learning_rate(recipe, len(train_loader)),
        recipe=recipe,
        train_loader=train_loader,
        validation_loader=validation_loader,
        normalize=Normalize(preprocessing, device),
        dtype=dtype,
        scaler=torch.amp.GradScaler(device.type, enabled=dtype is torch.float16),
    )


def probe(index: ImageIndex) -> None:
    """Open images of a split as far as their headers.

    Raises:
        DataError: one is no image; it names the file.

    """
    for position in range(0, len(index), max(1, len(index) // _PROBED)):
        probe_image(index.path(position))


def fit(session: Session) -> Iterator[StepResult | EpochResult]:
    """Train to the end, and keep the run directory up to date. Yields what the loop yields.

    A run that fails before its first checkpoint leaves no directory.
    """
    try:
        for result in train(session.trainer):
            if isinstance(result, EpochResult):
                _keep(session, result)
            yield result
    finally:
        if not session.run.last.exists():
            session.run.discard()


def _keep(session: Session, result: EpochResult) -> None:
    run, trainer = session.run, session.trainer
    record = {
        "epoch": result.epoch,
        "step": result.step,
        "lr": result.rate,
        "train_loss": result.train_loss,
        "train_top1": result.train_top1,
        **result.validation.record(),
    }
    run.append("metrics.jsonl", record)
    run.append(
        "times.jsonl", {"epoch": result.epoch, "seconds": result.seconds, "images_per_second": result.images_per_second}
    )
    model = trainer.network.state_dict()
    content = {
        "format": 1,
        "epoch": result.epoch,
        "step": result.step,
        "metrics": record,
        "classes": run.classes,
        "preprocessing": json.loads(run.preprocessing.model_dump_json()),
    }
    if session.best is None or (record["top1"], -record["loss"]) > (session.best["top1"], -session.best["loss"]):
        session.best = record
        save_checkpoint(run.best, model, content)
    state = optimizer_tensors(trainer.optimizer, trainer.network)
    content |= {"best": session.best, "scaler": trainer.scaler.state_dict()}
    save_checkpoint(run.last, model, content, state)
