"""The package's optimizers, with all that they remember in tensors, and their switch at a run's events.

While training, parameters hold y, where gradients are taken; for evaluation and in a file they hold x, the average.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from schedulefree import AdamWScheduleFree, RAdamScheduleFree, SGDScheduleFree  # type: ignore[import-untyped]

from archspec import RunEvents
from archspec.errors import RunError

if TYPE_CHECKING:
    from archspec import Evaluation, Trainer

    class _Base(torch.optim.Optimizer):
        """What the package's optimizers have; its own code has no types."""

        def train(self) -> None: ...

        def eval(self) -> None: ...

else:
    _Base = object

_COUNTS = ("k", "weight_sum", "lr_max")
_AVERAGING = "averaging"


class _ScheduleFree(RunEvents, _Base):
    """What the three have in common.

    The package counts steps and weights in the groups. A checkpoint of archspec holds `state[parameter]` alone, so
    these counts are kept there, too: with the first parameter of a group.
    """

    def __init__(self, groups: list[dict[str, Any]], **options: Any) -> None:
        super().__init__(groups, **options)
        self.train()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of the groups that train: a frozen one, without gradients or at a rate of 0, counts no steps."""
        groups = self.param_groups
        training = [group for group in groups if group["lr"] and any(p.grad is not None for p in group["params"])]
        for group in training:
            self._recall(group)
        if not training:
            return None
        self.param_groups = training
        try:
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        for group in training:
            self._remember(group)
        return loss

    def _recall(self, group: dict[str, Any]) -> None:
        """The counts of a group whose state was restored."""
        if group["k"]:
            return
        kept = self.state.get(group["params"][0], {}).get(_AVERAGING)
        if kept is not None:
            group.update(zip(_COUNTS, kept.tolist(), strict=True))
            group["k"] = int(group["k"])

    def _remember(self, group: dict[str, Any]) -> None:
        counts = [float(group[name]) for name in _COUNTS]
        self.state[group["params"][0]][_AVERAGING] = torch.tensor(counts, dtype=torch.float64)

    def run_started(self, trainer: Trainer) -> None:
        """Refuse a second average, which would be of y, and be what is measured.

        Raises:
            RunError: the recipe has one.

        """
        if trainer.average is not None:
            message = "the recipe's `average` is of other weights than the average that schedule-free optimizers keep"
            raise RunError(message, help="take one of them: leave out `average`, or name another optimizer")

    def before_evaluation(self, trainer: Trainer) -> None:
        """Put the average x into the parameters. The run puts y back behind it, to the bit."""
        self.eval()

    def after_evaluation(self, trainer: Trainer, evaluation: Evaluation) -> None:
        self._go_on()

    def before_saving(self, trainer: Trainer) -> None:
        """What is saved to be used is the average, too; the checkpoint keeps y beside it."""
        self.eval()

    def after_saving(self, trainer: Trainer) -> None:
        self._go_on()

    def _go_on(self) -> None:
        """Training mode again, without computing y of x, which would be rounded."""
        for group in self.param_groups:
            group["train_mode"] = True


class SGD(_ScheduleFree, SGDScheduleFree):  # type: ignore[misc]
    """Schedule-free SGD."""


class AdamW(_ScheduleFree, AdamWScheduleFree):  # type: ignore[misc]
    """Schedule-free AdamW."""


class RAdam(_ScheduleFree, RAdamScheduleFree):  # type: ignore[misc]
    """Schedule-free RAdam."""
