"""What a training run is, said before it begins: a heading and a sentence each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from archspec.data.cached import StoredImages
from archspec.data.store import StorePlan
from archspec.errors import shorten
from archspec.finetuning.phases import mean_compute
from archspec.report.words import human, plural
from archspec.training.features import Features
from archspec.training.loop import Trainer
from archspec.training.placing import room_for
from archspec.training.recipe import Recipe
from archspec.training.records import Change
from archspec.training.session import Session
from archspec.weights.plan import WeightsPlan

Line = tuple[str, str]


def introduce(session: Session, spec_classes: int) -> Iterator[Line]:
    """The run, the network, the data, the recipe and the machine. `spec_classes` is what the spec's own head has."""
    run, data, plan = session.run, session.data, session.trainer.network.plan
    yield "run", str(run.path)
    size = "x".join(map(str, plan.input))
    yield "network", f"{plan.name} at {size}: {plan.parameters:,} parameters, {human(plan.macs)} MACs"
    if spec_classes != len(data.classes):
        yield "", f"the data has {len(data.classes)} classes and the spec {spec_classes:,}: the head follows the data"
    if plan.logits_end is not None:
        yield "", "the head ends in softmax: training takes the logits before it"
    sizes = ", ".join(f"{split} {len(index):,}" for split, index in data.splits.items())
    root = f" {data.root}" if str(data.root) != data.name else ""
    yield "data", f"{data.name}{root}: {sizes}; {len(data.classes)} classes"
    yield from (("", note) for note in data.notes)
    if session.weights is not None:
        yield from _describe_weights(session.weights)
    yield "recipe", describe_recipe(run.recipe, session.trainer)
    yield from _describe_freezing(session)
    yield from _describe_stores(session.trainer)
    loading = _describe_loading(session.trainer)
    yield "device", f"{session.trainer.normalize.device}, {run.info.threads} threads, {loading}"
    yield from (("", note) for note in session.notes)


def describe_changes(changes: Iterable[Change]) -> Iterator[Line]:
    """What a run goes on with otherwise than before, a line each."""
    heading = "changed"
    for change in changes:
        now, before = (_show(value) for value in (change.now, change.before))
        yield heading, f"{change.path} is {now}, and was {before}"
        heading = ""


def _show(value: Any) -> str:
    """A setting's value in a few words."""
    if isinstance(value, dict) and set(value) == {"images", "sha256"}:
        return f"{plural(value['images'], 'image')} ({value['sha256'][:8]})"
    return "not set" if value is None else shorten(str(value))


def _describe_weights(planned: WeightsPlan) -> Iterator[Line]:
    """How much of the network came from a file, and what of it begins afresh."""
    copied = planned.count("copied") + planned.count("adapted")
    naming = f"by the names of {planned.naming}" if planned.naming != "order" else "by order"
    yield "weights", f"{planned.source}, {naming}: {copied:,} parameters, {planned.coverage:.1%} of what it should fill"
    for action in ("adapted", "reset", "missing"):
        names = [row.name for row in planned.of(action)]
        if names:
            yield "", f"{action}: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}"


def describe_recipe(recipe: Recipe, trainer: Trainer) -> str:
    """How it is trained, in a line."""
    rate = f" at {recipe.optimizer.lr:g}" if hasattr(recipe.optimizer, "lr") else ""
    method = f"{recipe.optimizer.offer.name}{rate}, {recipe.schedule.offer.name}"
    batch = f"batch {recipe.batch_size}" + (f" x {recipe.accumulate}" if recipe.accumulate > 1 else "")
    length = plural(trainer.epochs, "epoch")
    if trainer.total_steps % trainer.steps_per_epoch:
        length = plural(trainer.total_steps, "step")
    return f"{length}, {batch}, {method}, seed {recipe.seed}"


def _describe_freezing(session: Session) -> Iterator[Line]:
    """What a policy trains and spares, and what kept features spare and take."""
    trainer, recipe, place = session.trainer, session.run.recipe, session.run.info.features
    found = trainer.freezing.phases
    if len(found) == 1 and found[0].frozen == 0 and found[0].scales == (1, 1):
        return
    first, last = (", ".join(phase.trains) for phase in (found[0], found[-1]))
    trains = f"{first} trains" if first == last else f"{first} trains at first, {last} at last"
    saved = f"; {mean_compute(found):.0%} of the compute of training everything" if mean_compute(found) < 1 else ""
    yield "freeze", f"{recipe.freeze.offer.name}: {trains}{saved}"
    if found[0].frozen and recipe.weights is None:
        yield "", "no weights were given: what is frozen is as it was drawn at random (--weights FILE)"
    if trainer.features is not None:
        yield from _describe_features(trainer, trainer.features, "in memory" if place == "memory" else "on disk")


def _describe_features(trainer: Trainer, features: Features, where: str) -> Iterator[Line]:
    """What kept features spare, what they take, and what training then sees."""
    found, views = trainer.freezing.phases, features.views
    images = len(trainer.train_loader.index), len(trainer.validation_loader.index)
    room = room_for(trainer.freezing, views, images, half=trainer.recipe.half_features)
    passed = sum(features.images_passed().values())
    share = f"{mean_compute(found, kept=True):.0%} of the compute, and {passed:,} images once through what is frozen"
    yield "features", f"{share}: {room.bytes / 1e6:,.0f} MB, kept {where}"
    seen = f"the augmentation of {plural(views.draws, 'epoch')}, in turn" if views.draws else "the middle of each image"
    mirrored = ", mirrored in every other epoch" if views.mirror else ""
    solved = "; the head is solved in epoch 1" if views.all_first else ""
    yield "", f"epochs that train from them see {seen}{mirrored}{solved}"


def _describe_stores(trainer: Trainer) -> Iterator[Line]:
    for what, loader in (("train", trainer.train_loader), ("validation", trainer.validation_loader)):
        if isinstance(loader.index.source, StoredImages):
            yield "cache" if what == "train" else "", f"{what}: {_describe_store(loader.index.source.plan)}"


def _describe_store(plan: StorePlan) -> str:
    """Where decoded images are kept, and how much that takes."""
    height, width, _ = plan.shapes.max(axis=0).tolist()
    size = f"{plan.bytes / 1e6:,.0f} MB for {len(plan.shapes):,} images of at most {width}x{height}"
    if plan.temporary:
        return f"{size}, in memory, for this run"
    return f"{size}, {'found' if plan.complete else 'kept'} in {plan.path}"


def _describe_loading(trainer: Trainer) -> str:
    """How images are read on this machine."""
    workers, device = trainer.train_loader.workers, trainer.normalize.device
    if not workers:
        return "images are read in between"
    pinned = ", pinned memory" if device.type == "cuda" else ""
    return f"{plural(workers, 'loader worker')} {2 * workers} batches ahead{pinned}"
