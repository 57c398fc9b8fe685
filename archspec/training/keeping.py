"""Keeps a run directory up to date while the run trains: metrics, times, skipped images, checkpoints."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from archspec.files import before
from archspec.training.checkpoint import optimizer_tensors, save_checkpoint
from archspec.training.frozen import keep_frozen, prove_frozen
from archspec.training.loop import Trainer, train
from archspec.training.records import EpochMetrics, Manifest
from archspec.training.results import EpochResult, Result, StepResult
from archspec.training.run import METRICS, SKIPPED, TIMES, create_run, lock_run
from archspec.training.session import Session
from archspec.training.switches import plain_faults


def fit(session: Session, stop: Callable[[], bool] = lambda: False) -> Iterator[Result]:
    """Train to the end, and keep the run directory up to date. Yields what the loop yields.

    Where `stop` says so, the step that is under way is the last, and a checkpoint is kept. A run that ends before its
    first checkpoint leaves no directory.

    Raises:
        RunError: the directory exists already, cannot be written, or a loss is not finite.
        DataError: an image cannot be read.

    """
    if session.lock is None:
        create_run(session.run)
        session.lock = lock_run(session.run)
    trainer = session.trainer
    try:
        if session.frozen is None:
            session.frozen = keep_frozen(session.run.path, trainer.network, trainer.freezing)
        trainer.events.run_started(trainer)
        with plain_faults():
            yield from _fit(session, stop)
        if session.ended:
            if session.frozen is not None:
                session.proved = prove_frozen(trainer.network, session.frozen)
            shutil.rmtree(before(session.run.last), ignore_errors=True)
            trainer.events.run_finished(trainer)
    finally:
        session.lock.release(force=True)
        if not session.run.last.is_dir():  # not `session.best`: an interrupt may come between checkpoint and that
            session.run.discard()


def _fit(session: Session, stop: Callable[[], bool]) -> Iterator[Result]:
    recipe = session.run.recipe
    clock = _Clock(recipe.checkpoint_steps, recipe.checkpoint_minutes)
    for result in train(session.trainer):
        stopped = stop()
        if isinstance(result, EpochResult):
            session.trainer.events.epoch_finished(session.trainer, result)
            _keep_epoch(session, result)
            clock.reset()
        elif stopped or (isinstance(result, StepResult) and clock.is_due()):
            save(session)
            clock.reset()
        yield result
        if stopped or session.ended:
            return


@dataclass
class _Clock:
    """When the next checkpoint within an epoch is due."""

    steps: int | None
    minutes: float | None
    done: int = 0
    since: float = field(default_factory=time.monotonic)

    def is_due(self) -> bool:
        """Count a step, and say whether enough steps or minutes have passed."""
        self.done += 1
        late = self.minutes is not None and time.monotonic() - self.since >= 60 * self.minutes
        return late or (self.steps is not None and self.done >= self.steps)

    def reset(self) -> None:
        self.done, self.since = 0, time.monotonic()


def _keep_epoch(session: Session, result: EpochResult) -> None:
    """Write an epoch's metrics and checkpoints."""
    run = session.run
    figures = result.validation.record() if result.validation is not None else {}
    metrics = EpochMetrics(
        epoch=result.epoch,
        step=result.step,
        lr=result.lr,
        train_loss=result.train_loss,
        train_top1=result.train_top1,
        **figures,  # type: ignore[arg-type]
    )
    run.append(METRICS, metrics.model_dump())
    run.append(TIMES, {name: getattr(result, name) for name in ("epoch", "seconds", "images_per_second", "waited")})
    _list_skipped(session)
    best = False
    if result.validation is not None:
        session.metrics = metrics
        best = session.best is None or _rank(metrics, run.recipe.best_by) > _rank(session.best, run.recipe.best_by)
        session.best, session.waiting = (metrics, 0) if best else (session.best, session.waiting + 1)
    save(session, best=best)


def _rank(metrics: EpochMetrics, best_by: str) -> tuple[float, ...]:
    """What is compared: the larger is the better."""
    assert metrics.loss is not None, "only an evaluated epoch is ranked"
    if best_by == "loss":
        return (-metrics.loss,)
    share = metrics.top1 if best_by == "top1" else metrics.balanced
    return (-math.inf if share is None else share, -metrics.loss)  # a run of before may not have counted it


def save(session: Session, *, best: bool = False) -> None:
    """Keep a checkpoint of this moment as the last one, and the one before it; and as the best one, where it is that.

    Raises:
        RunError: it cannot be written, or a loss since the last look is not finite.

    """
    trainer, run = session.trainer, session.run
    trainer.settle()
    state = _training_state(trainer)  # before an event changes anything for saving
    with trainer.events.saving(trainer) as training:
        model = _moving(session, trainer.evaluated.state_dict())
        if training is None and trainer.average is not None:
            training = trainer.network.state_dict()
        if training is not None:  # the model's file holds another network than the one that trains
            state |= {f"network/{name}": value for name, value in _moving(session, training).items()}
        if best:
            save_checkpoint(run.best, _manifest(session), model)
        save_checkpoint(run.last, _manifest(session), model, state, keep_before=True)


def _moving(session: Session, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's tensors, but for those that the run never changes."""
    frozen = session.frozen.tensors if session.frozen is not None else {}
    return {name: value for name, value in state.items() if name not in frozen}


def _training_state(trainer: Trainer) -> dict[str, Tensor]:
    """What training needs to go on beside its network: the optimizer's state, and that of run events."""
    tensors = optimizer_tensors(trainer.optimizer, trainer.network)
    state = {f"optimizer/{name}": value for name, value in tensors.items()}
    return state | {f"events/{name}": value for name, value in trainer.events.tensors().items()}


def _manifest(session: Session) -> Manifest:
    run, trainer = session.run, session.trainer
    return Manifest(
        progress=trainer.progress,
        metrics=session.metrics,
        best=session.best,
        waiting=session.waiting,
        changes=len(run.info.changes),
        classes=run.classes,
        preprocessing=run.info.preprocessing,
        scaler=trainer.scaler.state_dict(),
        frozen=session.frozen.sha256 if session.frozen is not None else None,
    )


def _list_skipped(session: Session) -> None:
    """Write down the images that could not be read, each once, by whatever process of the run."""
    known = session.run.skipped()
    for loader in (session.trainer.train_loader, session.trainer.validation_loader):
        for position, reason in sorted(loader.skipped.items()):
            if (name := loader.index.name(position)) not in known:
                session.run.append(SKIPPED, {"image": name, "reason": reason})
