"""A run that goes on: from its directory to a session that ends as if it had never stopped."""

from __future__ import annotations

import torch
from torch import Tensor

from archspec.data.index import TRAIN, VALIDATION, ImageData
from archspec.errors import DataError
from archspec.files import restore_folder
from archspec.training.amendments import carry_over, keep_amendments, refuse_missing_state
from archspec.training.checkpoint import STATE, drop_damaged, read_checkpoint, read_frozen, restore_optimizer
from archspec.training.frozen import Frozen, unmoved
from archspec.training.loop import Trainer
from archspec.training.records import Manifest
from archspec.training.run import Run, lock_run, refuse_other_images
from archspec.training.session import Session, begin_network, logits_network, make_trainer


def resume_session(run: Run, data: ImageData, *, device: torch.device, workers: int | None) -> Session:
    """Go on with a run from its last checkpoint, or from the beginning where it has none yet.

    Settings that `amend_run` has changed are written then.

    Where the last checkpoint is damaged, the one before it is taken, and the session's notes say so.

    Raises:
        RunError: every checkpoint is damaged, another process trains in the run, or other settings do not fit it.
        DataError: the data has other classes or images than the run began with.

    """
    if data.classes != run.classes:
        message = f"the data's classes are no longer those of the run '{run.path}'"
        raise DataError(message, file=data.root, help="name data with its classes, or start a new run")
    refuse_other_images(run, data, (TRAIN, VALIDATION), "go on with other images by `--other-settings`")
    torch.set_num_threads(run.info.threads)
    lock = lock_run(run)
    restore_folder(run.last, keep_before=True)
    restore_folder(run.best)
    if not run.last.is_dir():
        keep_amendments(run)
        run.forget_after(0)
        return Session(run, data, make_trainer(run, data, begin_network(run)[0], device, workers), lock=lock)
    notes = drop_damaged(run.last)
    manifest, model = read_checkpoint(run.last)
    state = read_checkpoint(run.last, STATE)[1]
    manifest, given_up = carry_over(manifest, run, data)
    frozen = Frozen(read_frozen(run.path, manifest.frozen), manifest.frozen) if manifest.frozen else None
    own = _part(state, "network/")  # where the model's file holds an average, or what an event made of it
    whole = own | frozen.tensors if own and frozen else own or model
    trainer = make_trainer(run, data, logits_network(run.spec, whole, run.recipe.freeze), device, workers)
    if run.info.changes:
        refuse_missing_state(trainer, _part(state, "optimizer/"))
    _restore(trainer, manifest, model, state)
    keep_amendments(run)
    run.forget_after(trainer.progress.epoch)
    return Session(
        run,
        data,
        trainer,
        metrics=manifest.metrics,
        best=manifest.best,
        waiting=manifest.waiting,
        lock=lock,
        notes=notes + given_up,
        frozen=frozen if frozen and frozen.tensors.keys() == unmoved(trainer.freezing) else None,
    )


def _restore(trainer: Trainer, manifest: Manifest, model: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    """Put the trainer where a checkpoint was."""
    restore_optimizer(trainer.optimizer, trainer.network, _part(state, "optimizer/"))
    if trainer.average is not None:
        trainer.average.module.load_state_dict(model)
        trainer.average.n_averaged.fill_(manifest.progress.step)
    trainer.events.restore(_part(state, "events/"))
    if manifest.scaler:  # empty, where fp16 is new
        trainer.scaler.load_state_dict(manifest.scaler)
    trainer.progress = manifest.progress


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
