"""A training session: from settings to a trainer, and from its results to a run directory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from archspec.data.decode import mode_for
from archspec.data.index import TRAIN, VALIDATION, ImageData, ImageIndex
from archspec.data.loader import Loader
from archspec.data.machine import default_workers
from archspec.data.mixing import Mixing
from archspec.data.randomness import INIT, seed_generator
from archspec.data.transforms import Entrance, Normalize
from archspec.errors import DataError, RunError, WeightsError
from archspec.finetuning.freezing import Freezing, freezing_of
from archspec.network.compile import Network, compile_network
from archspec.plan.plan import Plan
from archspec.plan.planner import plan_network
from archspec.plugins import Plugins
from archspec.spec.arch import ArchSpec
from archspec.training.checkpoint import (
    STATE,
    drop_damaged,
    read_checkpoint,
    read_frozen,
    restore_optimizer,
)
from archspec.training.features import Features, choose_place, features_of, room_for, views_of
from archspec.training.files import restore_folder
from archspec.training.frozen import Frozen
from archspec.training.loaders import make_loaders
from archspec.training.loop import Trainer
from archspec.training.machine import free_memory
from archspec.training.optimization import (
    class_weights,
    count_steps,
    learning_rate,
    make_optimizer,
    moving_average,
    steps_per_epoch,
)
from archspec.training.preflight import Forecast, epoch_seconds, rehearse
from archspec.training.recipe import DataChoice, Recipe
from archspec.training.records import EpochMetrics, Manifest
from archspec.training.run import Run, describe_run, lock_run, refuse_other_images
from archspec.training.solving import head_to_solve

_MEASURED = 4
"""Steps that are timed where a run's length is asked for, the first of which is left out."""
_PROBED = 20_000
"""So many images are opened before training, spread over the split: an error early is worth a second or two."""


@dataclass
class Session:
    """A run on its way."""

    run: Run
    data: ImageData
    trainer: Trainer
    metrics: EpochMetrics | None = None
    """The last epoch that was evaluated; None before the first."""
    best: EpochMetrics | None = None
    waiting: int = 0
    """Evaluations since the best one."""
    lock: FileLock | None = None
    """Held while the run is trained; None before a new run's directory is made."""
    notes: list[str] = field(default_factory=list)
    """What was noticed when the run was opened."""
    frozen: Frozen | None = None
    """What the run never changes; None before it begins, and where there is nothing."""
    proved: int = 0
    """How many numbers were compared at the end, and are what the run began with."""
    forecast: Forecast | None = None
    """What a new run will take; None for one that goes on."""

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to train: the last step is done, or early stopping ended the run."""
        patience = self.run.recipe.early_stopping
        done = self.trainer.progress
        return done.batch == 0 and (self.trainer.finished or (patience is not None and self.waiting >= patience))


def choose_device(name: str) -> torch.device:
    """The device of a name; `auto` takes a GPU where there is one.

    Raises:
        RunError: torch knows no such device, or it is not there.

    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError) as error:
        there = torch.accelerator.current_accelerator(check_available=True)
        known = f"auto, cpu, {there.type}" if there else "auto, cpu: torch finds no GPU on this machine"
        raise RunError(f"the device '{name}' cannot be used", help=f"devices: {known}") from error
    return device


def compute_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """What a forward pass computes in; None is float32."""
    if precision == "auto":
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else None
    return {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def fit_head(spec: ArchSpec, data: ImageData) -> ArchSpec:
    """The spec with as many classes in its head as the data has."""
    return spec.model_copy(update={"head": spec.head.model_copy(update={"classes": len(data.classes)})})


def logits_network(spec: ArchSpec, state: dict[str, torch.Tensor] | None = None) -> Network:
    """The network of a spec up to its logits: a softmax in the head is left to the loss.

    Raises:
        RunError: `state` is not that of the spec's network.

    """
    plan = plan_network(spec)
    try:
        return compile_network(plan, end=plan.logits_end, state=state)
    except WeightsError as error:
        raise RunError(f"the checkpoint is not of the run's spec: {error.message}") from error


def new_session(
    spec: ArchSpec,
    recipe: Recipe,
    choice: DataChoice,
    data: ImageData,
    plugins: Plugins,
    *,
    out: Path,
    command: list[str],
    device: torch.device,
    workers: int | None,
    measure: bool = False,
) -> Session:
    """Begin a run. `spec` has the data's number of classes already. With `measure`, a few steps are timed.

    Raises:
        DataError: an image cannot be opened, or the data does not suit the network.
        RunError: a batch fits no memory, its loss is not finite, or there is no room for checkpoints.

    """
    if recipe.on_corrupt == "error" and recipe.cache == "none":  # a cache opens every image anyway
        for split in (TRAIN, VALIDATION):
            probe(data.splits[split])
    threads = torch.get_num_threads()
    images = len(data.splits[TRAIN])
    steps = count_steps(recipe, images)
    info = describe_run(
        data, recipe, spec, steps=steps, command=command, device=str(device), threads=threads, plugins=plugins
    )
    run = Run(out, spec, recipe, choice, info)
    seed_generator(INIT, recipe.seed)
    network = logits_network(spec)
    run, notes = _place_features(run, data, network.plan, device)
    trainer = _trainer(run, data, network, device, workers)
    forecast = rehearse(trainer, out, steps=_MEASURED if measure or recipe.seconds else 1, compare=measure)
    if recipe.seconds is not None:
        per_epoch = steps_per_epoch(recipe, images)
        epochs = max(1, int(recipe.seconds / epoch_seconds(trainer, forecast)))
        run = dataclasses.replace(run, info=info.model_copy(update={"steps": epochs * per_epoch}))
        run, notes = _place_features(run, data, network.plan, device)
        trainer = _trainer(run, data, network, device, workers)
    return Session(run, data, trainer, forecast=forecast, notes=notes)


def _place_features(run: Run, data: ImageData, plan: Plan, device: torch.device) -> tuple[Run, list[str]]:
    """The run, which says where features are kept, and why they are not, if the recipe would have liked it."""
    recipe, counts = run.recipe, (len(data.splits[TRAIN]), len(data.splits[VALIDATION]))
    epochs = math.ceil(run.info.steps / steps_per_epoch(recipe, counts[0]))
    freezing = freezing_of(recipe.freeze, plan, epochs)
    views = views_of(recipe)
    room = room_for(freezing, views, counts, half=recipe.half_features)
    if recipe.head == "lbfgs":
        head_to_solve(freezing)
        if recipe.features == "none":
            raise RunError("`head: lbfgs` solves on kept features", help="let them be kept: recipe.features=auto")
    place, reason = choose_place(recipe, room, free_memory(torch.device("cpu")))
    placed = dataclasses.replace(run, info=run.info.model_copy(update={"features": place}))
    return placed, [reason] if reason else []


def resume_session(run: Run, data: ImageData, *, device: torch.device, workers: int | None) -> Session:
    """Go on with a run from its last checkpoint, or from the beginning where it has none yet.

    Where the last checkpoint is damaged, the one before it is taken, and the session's notes say so.

    Raises:
        RunError: every checkpoint is damaged, or another process trains in the run.
        DataError: the data has other classes or images than the run began with.

    """
    if data.classes != run.classes:
        raise DataError(f"the data's classes are no longer those of the run '{run.path}'", file=data.root)
    refuse_other_images(run, data, (TRAIN, VALIDATION))
    torch.set_num_threads(run.info.threads)
    lock = lock_run(run)
    restore_folder(run.last, keep_before=True)
    restore_folder(run.best)
    if not run.last.is_dir():
        seed_generator(INIT, run.recipe.seed)
        run.forget_after(0)
        return Session(run, data, _trainer(run, data, logits_network(run.spec), device, workers), lock=lock)
    notes = drop_damaged(run.last)
    manifest, model = read_checkpoint(run.last)
    state = read_checkpoint(run.last, STATE)[1]
    frozen = Frozen(read_frozen(run.path, manifest.frozen), manifest.frozen) if manifest.frozen else None
    own = _part(state, "network/")  # where there is an average, it is what the model's file holds
    whole = own | frozen.tensors if own and frozen else own or model
    trainer = _trainer(run, data, logits_network(run.spec, whole), device, workers)
    _restore(trainer, manifest, model, state)
    run.forget_after(trainer.progress.epoch)
    return Session(run, data, trainer, manifest.metrics, manifest.best, manifest.waiting, lock, notes, frozen)


def _restore(trainer: Trainer, manifest: Manifest, model: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    """Put the trainer where a checkpoint was."""
    restore_optimizer(trainer.optimizer, trainer.network, _part(state, "optimizer/"))
    if trainer.average is not None:
        trainer.average.module.load_state_dict(model)
        trainer.average.n_averaged.fill_(manifest.progress.step)
    trainer.scaler.load_state_dict(manifest.scaler)
    trainer.progress = manifest.progress


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _trainer(run: Run, data: ImageData, network: Network, device: torch.device, workers: int | None) -> Trainer:
    recipe, preprocessing = run.recipe, run.info.preprocessing
    mode_for(preprocessing.channels)
    normalize = Normalize(preprocessing, device, channels_last=recipe.channels_last)
    network = network.to(memory_format=normalize.memory_format).to(device)
    workers = default_workers() if workers is None else workers
    total_steps, steps_an_epoch = run.info.steps, steps_per_epoch(recipe, len(data.splits[TRAIN]))
    epochs = math.ceil(total_steps / steps_an_epoch)
    train_loader, validation_loader = loaders = make_loaders(
        data, recipe, preprocessing, epochs=epochs, device=device, workers=workers
    )
    freezing = freezing_of(recipe.freeze, network.plan, epochs)
    dtype = compute_dtype(recipe.precision, device)
    torch.use_deterministic_algorithms(recipe.deterministic)
    return Trainer(
        network=network,
        optimizer=make_optimizer(recipe, network, freezing),
        schedule=learning_rate(recipe, steps_an_epoch, total_steps),
        loss=balanced_loss(recipe, data, device),
        recipe=recipe,
        train_loader=train_loader,
        validation_loader=validation_loader,
        normalize=normalize,
        mixing=_mixing(recipe, len(data.classes)),
        dtype=dtype,
        scaler=torch.amp.GradScaler(device.type, enabled=dtype is torch.float16),
        total_steps=total_steps,
        freezing=freezing,
        features=_features(run, freezing, loaders, normalize),
        average=moving_average(network, recipe.average) if recipe.average is not None else None,
        forward=torch.compile(network) if recipe.compile else None,
    )


def _features(run: Run, freezing: Freezing, loaders: tuple[Loader, Loader], enter: Entrance) -> Features | None:
    if run.info.features == "none":
        return None
    return features_of(run.recipe, run.info.preprocessing, freezing, loaders, enter, run.info.features)


def balanced_loss(recipe: Recipe, data: ImageData, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """The recipe's loss; where it balances classes in it, with their weights."""
    weights = None
    if recipe.class_balance == "loss":
        weights = class_weights(data.splits[TRAIN].labels, len(data.classes)).to(device)
    loss: Callable[[Tensor, Tensor], Tensor] = recipe.loss.offer.make(recipe.loss, weights)
    return loss


def _mixing(recipe: Recipe, classes: int) -> Mixing:
    return Mixing(recipe.mixup, recipe.cutmix, recipe.mix_probability, classes=classes, seed=recipe.seed)


def probe(index: ImageIndex) -> None:
    """Open images of a split as far as their headers.

    Raises:
        DataError: one is no image; it names the file.

    """
    for position in range(0, len(index), max(1, len(index) // _PROBED)):
        index.size(position)
