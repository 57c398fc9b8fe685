"""A loss: cross-entropy with the first term of its series weighed anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from archspec import Offer, Offers, Options, hookimpl
from pydantic import Field

if TYPE_CHECKING:
    from torch import Tensor


class PolyOptions(Options):
    """Options of the loss."""

    first: Annotated[float, Field(ge=-1, le=10)] = 1.0
    """Added to the weight of the first term; 0 is the cross-entropy."""


def poly(options: PolyOptions, class_weights: Tensor | None) -> Callable[[Tensor, Tensor], Tensor]:
    """Mean over the batch of cross-entropy + first (1 - p), p the probability of the target.  Leng et al. 2022."""
    import torch.nn.functional as F

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        """Logits (B, classes), and labels (B,) or shares (B, classes) -> ()."""
        shares = (F.one_hot(targets, logits.shape[1]) if targets.ndim == 1 else targets).float()
        if class_weights is not None:  # an image counts as much as its class
            shares = shares * class_weights
        logs = logits.float().log_softmax(1)  # in bfloat16, small differences would be lost
        return (shares * (options.first * (1 - logs.exp()) - logs)).sum(1).mean()

    return loss


@hookimpl
def archspec_losses() -> Offers:
    return {"$name": Offer(PolyOptions, poly, "cross-entropy plus a multiple of 1 - p")}
