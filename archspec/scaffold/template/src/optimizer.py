"""An optimizer: Lion, which steps by the sign of a momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from archspec import Offer, Offers, Options, hookimpl
from pydantic import Field

if TYPE_CHECKING:
    from torch.optim import Optimizer

Share = Annotated[float, Field(ge=0, lt=1)]


class LionOptions(Options):
    """Options of Lion."""

    lr: Annotated[float, Field(gt=0)] = 3e-4
    """The learning rate at the schedule's peak; a third to a tenth of AdamW's."""
    betas: tuple[Share, Share] = (0.9, 0.99)
    """The shares of the momentum that the step takes, and that is kept."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """Of weights; norms and biases have none."""


def lion(options: LionOptions, groups: list[dict[str, Any]]) -> Optimizer:
    """The optimizer over the recipe's groups, each of which has a `weight_decay` of its own."""
    from .optimizer_torch import Lion

    return Lion(groups, lr=options.lr, betas=options.betas)


@hookimpl
def archspec_optimizers() -> Offers:
    return {"$name": Offer(LionOptions, lion, "Lion: the sign of a momentum")}
