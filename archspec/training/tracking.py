"""Trackers: who is told what a run measures, and when. They are plugins' offers; the recipe names them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from archspec.errors import ArchspecError
from archspec.offers import Offer, Options
from archspec.plugins.blame import describe_error, place_of
from archspec.spec.dump import to_data
from archspec.training.results import EpochResult, StepResult

if TYPE_CHECKING:
    from archspec.training.session import Session


class Tracker(Protocol):
    """What an offer of `archspec_trackers` makes. A tracker that raises is told nothing more, and the run goes on."""

    def begin(self, info: dict[str, Any]) -> None:
        """Called once, before the first step is told. The run directory exists now.

        `info` holds `name` and `path` of the run; `spec`, `recipe` and `data`, resolved, and `run`, as `run.json` has
        it, all as plain data; `epoch` and `step`, the last ones that are done: 0, or where a resumed run goes on. What
        was told of later steps is told again.
        """

    def step(self, result: StepResult) -> None:
        """Called after each step. To read a tensor of `result` makes a GPU's host wait: do it rarely, then for many."""

    def epoch(self, result: EpochResult) -> None:
        """Called after each epoch, when it is measured and its checkpoint is kept. A killed run goes on from here.

        One that is killed just before this call does not tell of the epoch again: `metrics.jsonl` in `path` has it.
        """

    def close(self) -> None:
        """Called at the end, however the run ends, even where it never began. A second call does nothing."""


class Trackers:
    """The trackers of a run's recipe as one. Use it as a context around the run.

    `warn` is told of a tracker that fails, once.

    Raises:
        ArchspecError: a tracker refuses to be made, as one whose library is missing, or fails at it.

    """

    def __init__(self, session: Session, warn: Callable[[str], None]) -> None:
        self._info, self._warn = describe_session(session), warn
        self._trackers: list[tuple[Offer[Any], Tracker]] = []
        self._begun = False
        try:
            for options in session.run.recipe.trackers:
                made = make_tracker(options, session.run.path / options.offer.name)
                self._trackers.append((options.offer, made))
        except ArchspecError as error:
            self.__exit__(type(error))
            raise

    def __enter__(self) -> Trackers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is not None:  # the run directory may be gone: what a tracker says of that is no news
            self._warn = lambda message: None
        self._each(lambda tracker: tracker.close())

    def tell(self, result: StepResult | EpochResult) -> None:
        """Tell all trackers of a step or an epoch."""
        if not self._begun:
            self._begun = True
            self._each(lambda tracker: tracker.begin(deepcopy(self._info)))
        if isinstance(result, EpochResult):
            self._each(lambda tracker: tracker.epoch(result))
        else:
            self._each(lambda tracker: tracker.step(result))

    def _each(self, call: Callable[[Tracker], None]) -> None:
        """Do something with each tracker. One that fails is left out from then on."""
        for offer, tracker in list(self._trackers):
            try:
                call(tracker)
            except (Exception, SystemExit) as error:  # a plugin's code may raise anything
                self._trackers.remove((offer, tracker))
                what = f"the tracker '{offer.name}' of {offer.origin} fails, and the run goes on without it"
                self._warn(f"{what}: {describe_error(error)}\n   help: {place_of(error, offer)} raised it")
                with contextlib.suppress(Exception, SystemExit):
                    tracker.close()


def make_tracker(options: Options, folder: Path) -> Tracker:
    """The tracker that these options are of.

    Raises:
        ArchspecError: it refuses, or fails.

    """
    tracker: Tracker = options.offer.make(options, folder)
    return tracker


def describe_session(session: Session) -> dict[str, Any]:
    """What trackers are told when a run begins."""
    run, trainer = session.run, session.trainer
    return {
        "name": run.path.name,
        "path": str(run.path),
        "spec": to_data(run.spec),
        "recipe": to_data(run.recipe),
        "data": to_data(run.data),
        "run": run.info.model_dump(mode="json"),
        "epoch": trainer.progress.epoch,
        "step": trainer.progress.step,
    }
