"""A training session: from settings to a trainer, and from its results to a run directory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from archspec.errors import RunError, WeightsError
from archspec.finetuning.freezing import Freezing, freezing_of
from archspec.finetuning.policy import plan_under
from archspec.network.compile import Network, compile_network
from archspec.offers import Options
from archspec.plan.plan import Plan
from archspec.plan.planner import plan_network
from archspec.spec.arch import ArchSpec
from archspec.training.device import compute_dtype
from archspec.training.events import make_events
from archspec.training.features import Features, features_of
from archspec.training.forecast import Forecast, epochs_within
from archspec.training.frozen import Frozen
from archspec.training.loaders import make_loaders
from archspec.training.loop import Trainer
from archspec.training.optimization import (
    class_weights,
    count_steps,
    learning_rate,
    make_optimizer,
    moving_average,
    steps_per_epoch,
)
from archspec.training.placing import place_features
from archspec.training.preflight import rehearse
from archspec.training.recipe import DataChoice, Recipe
from archspec.training.records import EpochMetrics
from archspec.training.run import Run, describe_run
from archspec.training.solving import solves_head
from archspec.training.switches import use_deterministic
from archspec.weights.load import apply_weights
from archspec.weights.plan import WeightsPlan, plan_weights

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
    weights: WeightsPlan | None = None
    """What a new run took from a file."""
    forecast: Forecast | None = None
    """What a new run will take; None for one that goes on."""

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to train: the last step is done, or early stopping ended the run."""
        patience = self.run.recipe.early_stopping
        done = self.trainer.progress
        return done.batch == 0 and (self.trainer.finished or (patience is not None and self.waiting >= patience))


def fit_head(spec: ArchSpec, data: ImageData) -> ArchSpec:
    """The spec with as many classes in its head as the data has."""
    return spec.model_copy(update={"head": spec.head.model_copy(update={"classes": len(data.classes)})})


def logits_network(
    spec: ArchSpec, state: dict[str, torch.Tensor] | None = None, freeze: Options | None = None
) -> Network:
    """The network of a spec up to its logits: a softmax in the head is left to the loss.

    With the options of a freezing policy, it has the parameters that the policy adds.

    Raises:
        RunError: `state` is not that of the spec's network.

    """
    plan = plan_network(spec) if freeze is None else plan_under(freeze, spec)
    try:
        return compile_network(plan, end=plan.logits_end, state=state)
    except WeightsError as error:
        raise RunError(f"the checkpoint is not of the run's spec: {error.message}") from error


def begin_network(run: Run) -> tuple[Network, WeightsPlan | None]:
    """The network that a run begins with, and what it took from a file.

    Raises:
        WeightsError: the file does not fit, or is not the one that the run began with.

    """
    seed_generator(INIT, run.recipe.seed)
    network = logits_network(run.spec, freeze=run.recipe.freeze)
    how = run.recipe.weights
    if how is None:
        return network, None
    # the file's tensors go by the spec's own names: what a freezing policy adds begins as the policy says
    plan = network.plan if run.recipe.freeze.offer.rewrite is None else plan_network(run.spec)
    planned = plan_weights(plan, Path(how.file), how, run.classes)
    planned.refuse()
    if run.info.weights not in (None, planned.sha256):
        raise WeightsError(f"{planned.source} is no longer the file that the run '{run.path}' began with")
    apply_weights(network, dataclasses.replace(planned, plan=network.plan))
    return network, planned


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
    info = describe_run(data, recipe, spec, choice, steps=steps, command=command, device=str(device), threads=threads)
    run = Run(out, spec, recipe, choice, info)
    network, weights = begin_network(run)
    run = _with_weights(run, weights)
    run, notes = _place_features(run, network.plan)
    trainer = make_trainer(run, data, network, device, workers)
    forecast = rehearse(trainer, out, steps=_MEASURED if measure or recipe.seconds else 1, compare=measure)
    if recipe.seconds is not None:
        per_epoch = steps_per_epoch(recipe, images)
        epochs = epochs_within(recipe.seconds, trainer, forecast.phases)
        run = dataclasses.replace(run, info=run.info.model_copy(update={"steps": epochs * per_epoch}))
        run, notes = _place_features(run, network.plan)
        trainer = make_trainer(run, data, network, device, workers)
    return Session(run, data, trainer, forecast=forecast, notes=notes, weights=weights)


def _with_weights(run: Run, weights: WeightsPlan | None) -> Run:
    """The run, which knows the file and has its preprocessing, but for what the recipe says itself."""
    if weights is None:
        return run
    change: dict[str, Any] = {"weights": weights.sha256}
    if weights.preprocessing is not None:
        known = weights.preprocessing.fit(weights.plan.input)
        said = run.recipe.model_fields_set
        names = [name for name in ("mean", "std", "crop", "interpolation", "resize") if name not in said]
        taken = {name: getattr(known, name) for name in names}
        change["preprocessing"] = run.info.preprocessing.model_copy(update=taken)
    return dataclasses.replace(run, info=run.info.model_copy(update=change))


def _place_features(run: Run, plan: Plan) -> tuple[Run, list[str]]:
    """The run, which says where features are kept, and why they are not, if the recipe would have liked it.

    A run of nothing but a head that is solved has one epoch: steps would only leave the solution.
    """
    images = run.info.splits[TRAIN].images, run.info.splits[VALIDATION].images
    per_epoch = steps_per_epoch(run.recipe, images[0])
    epochs = math.ceil(run.info.steps / per_epoch)
    freezing = freezing_of(run.recipe.freeze, plan, epochs)
    place, reason = place_features(run.recipe, freezing, images)
    change: dict[str, Any] = {"features": place}
    notes = [reason] if reason else []
    if place != "none" and epochs > 1 and len(freezing.phases) == 1 and solves_head(run.recipe, freezing):
        change["steps"] = per_epoch
        notes.append(f"the head alone trains, and is solved: 1 epoch, in place of {epochs}")
    return dataclasses.replace(run, info=run.info.model_copy(update=change)), notes


def make_trainer(run: Run, data: ImageData, network: Network, device: torch.device, workers: int | None) -> Trainer:
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
    use_deterministic(recipe.deterministic)
    optimizer = make_optimizer(recipe, network, freezing)
    return Trainer(
        network=network,
        optimizer=optimizer,
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
        events=make_events(run, optimizer),
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
