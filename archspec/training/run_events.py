"""Run events: what acts on a run while it trains. They are plugins' offers, which the recipe names. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from archspec.training.evaluation import Evaluation
    from archspec.training.loop import Trainer
    from archspec.training.results import EpochResult


class RunEvents:
    """What an offer of `archspec_run_events` makes: a plugin's class derives from it, and has the methods it needs.

    They may act on the trainer. What one raises ends the run, whose last checkpoint is as it was. Several are called in
    the recipe's order, and those named `after_` in the opposite one. An optimizer that is `RunEvents` comes last.

    Around evaluation and saving, the network's tensors are put back to the bit when `after_evaluation` or
    `after_saving` is done: what is measured and saved may be another network than the one that goes on training. A
    checkpoint holds both, and the optimizer's state as it was before, whose tensors no `before_` may change in place.
    Whatever else a method changes stays changed, and must follow from the steps that are done and from `tensors`, or a
    resumed run is another one.
    """

    def run_started(self, trainer: Trainer) -> None:
        """Called before the first step, and before the first one of a run that goes on. The run directory exists."""

    def before_evaluation(self, trainer: Trainer) -> None:
        """Called before the network is measured, at the end of an epoch."""

    def after_evaluation(self, trainer: Trainer, evaluation: Evaluation) -> None:
        """Called when it is."""

    def epoch_finished(self, trainer: Trainer, result: EpochResult) -> None:
        """Called when an epoch is over, before its checkpoints are written; they hold what it changes."""

    def before_saving(self, trainer: Trainer) -> None:
        """Called before checkpoints are written: after an epoch, and at any step."""

    def after_saving(self, trainer: Trainer) -> None:
        """Called when they are."""

    def run_finished(self, trainer: Trainer) -> None:
        """Called when the last step is done, or early stopping ended the run, and all is saved."""

    def tensors(self) -> dict[str, Tensor]:
        """What a resumed run needs of it, by names of its own: it goes into the checkpoint."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what `tensors` gave, in a run that goes on; called before `run_started`."""
