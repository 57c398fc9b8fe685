"""A run that goes on with other settings: what may change, what is recorded, and where the run stands then."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from archspec.data.index import TRAIN, VALIDATION, ImageData
from archspec.data.preprocessing import Preprocessing
from archspec.errors import RunError
from archspec.files import find_folder
from archspec.finetuning.freezing import freezing_of
from archspec.finetuning.policy import plan_under
from archspec.spec.arch import ArchSpec
from archspec.training.changes import Difference, differences
from archspec.training.checkpoint import MANIFEST, optimizer_tensors
from archspec.training.code import used_plugins
from archspec.training.exchange import current, finish_replacing, replace_files
from archspec.training.loop import Trainer
from archspec.training.optimization import count_steps, make_optimizer, steps_per_epoch
from archspec.training.placing import place_features
from archspec.training.recipe import DataChoice, Recipe
from archspec.training.records import Change, Manifest, Progress, RunInfo, SplitRecord, read_record
from archspec.training.run import Run, documents, record_splits

_ORDER = ("recipe.batch_size", "recipe.accumulate", "recipe.seed", "recipe.class_balance", "images.train")
"""They decide which images a step has: an epoch that had begun begins again."""
_FIGURES = tuple(f"recipe.{key}" for key in ("crop", "resize", "interpolation", "mean", "std", "background"))
"""With the spec and the validation images, they decide what evaluation measures: older figures compare with nothing."""
_KEPT = tuple(
    f"recipe.{key}"
    for key in ("features", "freeze", "views", "mirror", "half_features", "mixup", "cutmix", "sizes", "head")
)
"""They decide whether features of a frozen prefix can be kept, and which."""
_ANEW = "start a new run with another `--out`"


def amend_run(run: Run, spec: ArchSpec, recipe: Recipe, choice: DataChoice, data: ImageData) -> Run:
    """The run with these settings, and what changed in `info.changes`; as it is where nothing did. Nothing is written.

    Raises:
        RunError: it cannot go on so.

    """
    splits = record_splits(data)
    found = [*differences(run, spec, recipe, choice), *_other_images(run, splits)]
    if not found:
        return run
    if recipe.weights != run.recipe.weights:
        raise RunError(f"the run '{run.path}' began with other weights", help=f"leave recipe.weights out, or {_ANEW}")
    done = _progress(run)
    if done.step:
        _refuse_other_tensors(run, spec, recipe)
        _refuse_other_state(run, recipe)
    steps = _steps(run, recipe, splits[TRAIN].images)
    _refuse_shorter(run, recipe, done, steps, splits[TRAIN].images)
    changes = [Change(epoch=done.epoch, step=done.step, path=path, before=was, now=now) for path, was, now in found]
    update = {
        "changes": (*run.info.changes, *changes),
        "steps": steps,
        "seed": recipe.seed,
        "preprocessing": _preprocessing(run, spec, recipe),
        "splits": splits,
        "plugins": used_plugins(spec, recipe, choice),
    }
    if any(path.startswith(_KEPT) for path, _, _ in found):
        images = splits[TRAIN].images, splits[VALIDATION].images
        epochs = math.ceil(steps / steps_per_epoch(recipe, images[0]))
        freezing = freezing_of(recipe.freeze, plan_under(recipe.freeze, spec), epochs)
        update["features"], _ = place_features(recipe, freezing, images)
    info = run.info.model_copy(update=update)
    return dataclasses.replace(run, spec=spec, recipe=recipe, data=choice, info=info)


def _preprocessing(run: Run, spec: ArchSpec, recipe: Recipe) -> Preprocessing:
    """The run's own, which a weights file may have given it, but for what the other settings change."""
    before, now = run.recipe.preprocessing(run.spec.input), recipe.preprocessing(spec.input)
    changed = {name: value for name, value in now if value != getattr(before, name)}
    return run.info.preprocessing.model_copy(update=changed)


def _other_images(run: Run, splits: Mapping[str, SplitRecord]) -> Iterable[Difference]:
    for name in {**run.info.splits, **splits}:
        before, now = run.info.splits.get(name), splits.get(name)
        if before != now:
            yield f"images.{name}", before and before.model_dump(), now and now.model_dump()


def _progress(run: Run) -> Progress:
    """Where the run's last checkpoint stands; at the beginning, where it has none."""
    folder = find_folder(run.last)
    return read_record(Manifest, folder / MANIFEST).progress if folder is not None else Progress()


def _refuse_other_tensors(run: Run, spec: ArchSpec, recipe: Recipe) -> None:
    pairs = ((run.recipe.freeze, run.spec), (recipe.freeze, spec))
    before, now = (set(plan_under(*pair).tensors()) for pair in pairs)
    if before != now:
        name, shape, _ = min(before ^ now)
        where = "the run's" if (name, shape) in {(name, shape) for name, shape, _ in before} else "the other"
        what = f"{name} of {'x'.join(map(str, shape)) or 'one number'} is in {where} alone"
        raise RunError(f"another spec does not fit the checkpoint of '{run.path}': {what}", help=_ANEW)


def _refuse_other_state(run: Run, recipe: Recipe) -> None:
    before, now = run.recipe.optimizer.offer.name, recipe.optimizer.offer.name
    if before != now:
        raise RunError(f"the optimizer's state in '{run.path}' is of {before}, and does not fit {now}", help=_ANEW)
    if run.recipe.average is None and recipe.average is not None:
        what = f"an average over the steps of '{run.path}' cannot begin now: those that are done are not known"
        raise RunError(what, help=f"leave recipe.average out, or {_ANEW}")


def _steps(run: Run, recipe: Recipe, images: int) -> int:
    """Of the whole run; where a time budget decided it, as many epochs as before."""
    before, now = steps_per_epoch(run.recipe, run.info.splits[TRAIN].images), steps_per_epoch(recipe, images)
    if recipe.time is not None and recipe.time != run.recipe.time:
        raise RunError("a time budget is measured where a run begins, and this one has begun", help="give `--epochs`")
    if recipe.steps is not None and before != now:
        what = (
            f"an epoch has {now:,} steps now, and had {before:,}: what is left of {recipe.steps:,} steps is not plain"
        )
        raise RunError(what, help="say by `--epochs` how long the run is")
    return math.ceil(run.info.steps / before) * now if recipe.time is not None else count_steps(recipe, images)


def _refuse_shorter(run: Run, recipe: Recipe, done: Progress, steps: int, images: int) -> None:
    epochs = math.ceil(steps / steps_per_epoch(recipe, images))
    begun = done.epoch + (done.batch > 0)
    if begun > epochs or (recipe.steps is not None and done.step > steps):
        length = f"{steps:,} steps" if recipe.steps is not None else f"{epochs:,} epochs"
        what = f"the run '{run.path}' is at step {done.step:,} of epoch {max(1, begun):,}, past {length}"
        raise RunError(what, help="give it more, or take its last checkpoint as it is")


def carry_over(manifest: Manifest, run: Run, data: ImageData) -> tuple[Manifest, list[str]]:
    """A checkpoint's manifest under the settings that changed since it was written, and what that gives up."""
    since = [change.path for change in run.info.changes[manifest.changes :]]
    if not since:
        return manifest, []
    steps, done = steps_per_epoch(run.recipe, len(data.splits[TRAIN])), manifest.progress
    update: dict[str, Any] = {}
    notes = []
    if any(path in _ORDER for path in since):
        update["progress"] = Progress(epoch=done.epoch, step=done.epoch * steps)
        if done.batch:
            notes.append(f"epoch {done.epoch + 1} begins again: its steps have other images now")
    elif run.recipe.steps is None:  # a run of so many steps may have cut its last epoch short
        step = done.epoch * steps + math.ceil(done.batch / run.recipe.accumulate)
        update["progress"] = done.model_copy(update={"step": step})
    if manifest.best is not None and any(_changes_figures(path) for path in since):
        update |= {"best": None, "waiting": 0}
        notes.append("figures of before cannot be compared with those to come: the best epoch is chosen anew")
    return manifest.model_copy(update=update), notes


def _changes_figures(path: str) -> bool:
    of_spec = not path.startswith(("recipe.", "data.", "images."))
    return of_spec or path == "images.validation" or path.startswith(_FIGURES)


def refuse_missing_state(trainer: Trainer, tensors: Mapping[str, Tensor]) -> None:
    """Compare a checkpoint's optimizer state with what the recipe's optimizer keeps, by a step of a copy.

    Raises:
        RunError: an option of the optimizer, such as momentum, needs state that the run never had.

    """
    double = copy.deepcopy(trainer.network)
    optimizer = make_optimizer(trainer.recipe, double)
    for parameter in double.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    optimizer.step()
    begun = {name.rpartition("/")[0] for name in tensors}  # of others, such as frozen ones, it begins by itself
    needed = {name for name in optimizer_tensors(optimizer, double) if name.rpartition("/")[0] in begun}
    if missing := sorted(needed - set(tensors)):
        what = f"the optimizer's options need state that the checkpoint has not, such as '{missing[0]}'"
        raise RunError(what, help=f"leave its options as they were, or {_ANEW}")


def keep_amendments(run: Run) -> None:
    """Write the settings of a run whose `info` has other changes than its `run.json`: all of them, or none.

    Raises:
        RunError: they cannot be written.

    """
    try:
        finish_replacing(run.path)
        if read_record(RunInfo, current(run.path, "run.json")).changes != run.info.changes:
            replace_files(run.path, documents(run))
    except OSError as error:
        raise RunError(f"the run directory '{run.path}' cannot be written: {error.strerror or error}") from error
