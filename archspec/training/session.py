"""A training session: from settings to a trainer, and from its results to a run directory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock

from archspec.data.decode import mode_for
from archspec.data.index import TRAIN, VALIDATION, ImageData, ImageIndex
from archspec.data.machine import default_workers
from archspec.data.mixing import Mixing
from archspec.data.randomness import INIT, seed_generator
from archspec.data.transforms import Normalize
from archspec.errors import DataError, RunError, WeightsError
from archspec.network.compile import Network, compile_network
from archspec.plan.planner import plan_network
from archspec.plugins import Plugins
from archspec.spec.arch import ArchSpec
from archspec.training.checkpoint import (
    STATE,
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    save_checkpoint,
)
from archspec.training.files import restore_folder
from archspec.training.loaders import make_loaders
from archspec.training.loop import EpochResult, StepResult, Trainer, train
from archspec.training.optimization import learning_rate, make_optimizer
from archspec.training.recipe import DataChoice, Recipe
from archspec.training.records import EpochMetrics, Manifest
from archspec.training.run import METRICS, SKIPPED, TIMES, Run, create_run, describe_run, lock_run, refuse_other_images

_PROBED = 20_000
"""So many images are opened before training, spread over the split: an error early is worth a second or two."""


@dataclass
class Session:
    """A run on its way."""

    run: Run
    data: ImageData
    trainer: Trainer
    best: EpochMetrics | None = None
    """The best epoch so far; None before the first checkpoint."""
    lock: FileLock | None = None
    """Held while the run is trained; None before a new run's directory is made."""


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
) -> Session:
    """Begin a run. `spec` has the data's number of classes already.

    Raises:
        DataError: an image cannot be opened, or the data does not suit the network.

    """
    if recipe.on_corrupt == "error" and recipe.cache == "none":  # a cache opens every image anyway
        for split in (TRAIN, VALIDATION):
            probe(data.splits[split])
    threads = torch.get_num_threads()
    info = describe_run(data, recipe, spec, command=command, device=str(device), threads=threads, plugins=plugins)
    run = Run(out, spec, recipe, choice, info)
    seed_generator(INIT, recipe.seed)
    return Session(run, data, _trainer(run, data, logits_network(spec), device, workers))


def resume_session(run: Run, data: ImageData, *, device: torch.device, workers: int | None) -> Session:
    """Go on with a run from its last checkpoint, or from the beginning where it has none yet.

    Raises:
        RunError: the checkpoint is damaged, or another process trains in the run.
        DataError: the data has other classes or images than the run began with.

    """
    if data.classes != run.classes:
        raise DataError(f"the data's classes are no longer those of the run '{run.path}'", file=data.root)
    refuse_other_images(run, data, (TRAIN, VALIDATION))
    torch.set_num_threads(run.info.threads)
    lock = lock_run(run)
    restore_folder(run.last)
    restore_folder(run.best)
    if not run.last.is_dir():
        seed_generator(INIT, run.recipe.seed)
        run.forget_after(0)
        return Session(run, data, _trainer(run, data, logits_network(run.spec), device, workers), lock=lock)
    manifest, model = read_checkpoint(run.last)
    trainer = _trainer(run, data, logits_network(run.spec, model), device, workers)
    restore_optimizer(trainer.optimizer, trainer.network, read_checkpoint(run.last, STATE)[1])
    trainer.scaler.load_state_dict(manifest.scaler)
    trainer.epoch, trainer.step = manifest.epoch, manifest.step
    run.forget_after(trainer.epoch)
    return Session(run, data, trainer, manifest.best, lock)


def _trainer(run: Run, data: ImageData, network: Network, device: torch.device, workers: int | None) -> Trainer:
    recipe, preprocessing = run.recipe, run.info.preprocessing
    mode_for(preprocessing.channels)
    normalize = Normalize(preprocessing, device, channels_last=recipe.channels_last)
    network = network.to(memory_format=normalize.memory_format).to(device)
    workers = default_workers() if workers is None else workers
    train_loader, validation_loader = make_loaders(data, recipe, preprocessing, device=device, workers=workers)
    dtype = compute_dtype(recipe.precision, device)
    return Trainer(
        network=network,
        optimizer=make_optimizer(recipe, network),
        schedule=learning_rate(recipe, len(train_loader)),
        loss=recipe.loss.offer.make(recipe.loss, None),
        recipe=recipe,
        train_loader=train_loader,
        validation_loader=validation_loader,
        normalize=normalize,
        mixing=_mixing(recipe, len(data.classes)),
        dtype=dtype,
        scaler=torch.amp.GradScaler(device.type, enabled=dtype is torch.float16),
    )


def _mixing(recipe: Recipe, classes: int) -> Mixing:
    return Mixing(recipe.mixup, recipe.cutmix, recipe.mix_probability, classes=classes, seed=recipe.seed)


def probe(index: ImageIndex) -> None:
    """Open images of a split as far as their headers.

    Raises:
        DataError: one is no image; it names the file.

    """
    for position in range(0, len(index), max(1, len(index) // _PROBED)):
        index.size(position)


def fit(session: Session) -> Iterator[StepResult | EpochResult]:
    """Train to the end, and keep the run directory up to date. Yields what the loop yields.

    A run that ends before its first checkpoint leaves no directory.

    Raises:
        RunError: the directory exists already, cannot be written, or the loss is not finite.
        DataError: an image cannot be read.

    """
    if session.lock is None:
        create_run(session.run)
        session.lock = lock_run(session.run)
    try:
        for result in train(session.trainer):
            if isinstance(result, EpochResult):
                _keep(session, result)
            yield result
    finally:
        session.lock.release(force=True)
        if not session.run.last.is_dir():  # not `session.best`: an interrupt may come between checkpoint and that
            session.run.discard()


def _list_skipped(session: Session) -> None:
    """Write down the images that could not be read, each once, by whatever process of the run."""
    known = session.run.skipped()
    for loader in (session.trainer.train_loader, session.trainer.validation_loader):
        for position, reason in sorted(loader.skipped.items()):
            if (name := loader.index.name(position)) not in known:
                session.run.append(SKIPPED, {"image": name, "reason": reason})


def _keep(session: Session, result: EpochResult) -> None:
    """Write an epoch's metrics and checkpoints."""
    run, trainer = session.run, session.trainer
    metrics = EpochMetrics(
        epoch=result.epoch,
        step=result.step,
        lr=result.lr,
        train_loss=result.train_loss,
        train_top1=result.train_top1,
        **result.validation.record(),  # type: ignore[arg-type]
    )
    run.append(METRICS, metrics.model_dump())
    run.append(TIMES, {name: getattr(result, name) for name in ("epoch", "seconds", "images_per_second", "waited")})
    _list_skipped(session)
    better = session.best is None or (metrics.top1, -metrics.loss) > (session.best.top1, -session.best.loss)
    best = metrics if session.best is None or better else session.best
    manifest = Manifest(
        epoch=result.epoch,
        step=result.step,
        metrics=metrics,
        best=best,
        classes=run.classes,
        preprocessing=run.info.preprocessing,
        scaler=trainer.scaler.state_dict(),
    )
    model = trainer.network.state_dict()
    if better:
        save_checkpoint(run.best, manifest, model)
    save_checkpoint(run.last, manifest, model, optimizer_tensors(trainer.optimizer, trainer.network))
    session.best = best
