"""A run event: after each epoch, no filter is longer than a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from archspec import Offer, Offers, Options, RunEvents, hookimpl
from pydantic import Field

if TYPE_CHECKING:
    from archspec import EpochResult, Run, Trainer


class LimitOptions(Options):
    """Options of the limit."""

    limit: Annotated[float, Field(gt=0, le=1_000)] = 3.0
    """The largest norm that the weights of one output channel have."""


class Limit(RunEvents):
    """Has the methods that it needs of those of `RunEvents`."""

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def epoch_finished(self, trainer: Trainer, result: EpochResult) -> None:
        """Scale filters down that are too long.  Srivastava et al. 2014, section 5.1.

        What is kept follows from the weights alone, so that there is nothing to put into a checkpoint.
        """
        import torch

        with torch.no_grad():
            for parameter in trainer.network.parameters():
                if parameter.ndim > 1 and parameter.requires_grad:
                    parameter.copy_(torch.renorm(parameter, 2, 0, self.limit))


def limit(options: LimitOptions, run: Run) -> RunEvents:
    """The events of one run. `run` has its `path`, `spec` and `recipe`."""
    return Limit(options.limit)


@hookimpl
def archspec_run_events() -> Offers:
    return {"$name": Offer(LimitOptions, limit, "no filter is longer than a limit")}
