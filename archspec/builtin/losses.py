"""Losses: of logits, against labels or shares of the classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from archspec import Offer, Offers, Options, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

    Loss = Callable[[Tensor, Tensor], Tensor]

_LEAST = 1e-7
"""Below the distance of two floats at 1, so that nothing but 0 is brought up to it."""


class SmoothOptions(Options):
    """Options of the losses that can smooth the targets."""

    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """The share of a target that is spread over all classes.  Szegedy et al. 2016."""


class BinaryOptions(SmoothOptions):
    """Options of the binary cross-entropy."""

    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """A class whose share, once smoothed, is more than this counts as wholly there, and any other as not.
    Where nothing is said, shares count as they are."""
    sum_classes: bool = False
    """Add the classes up, rather than take their mean; the gradient grows by their number, and the rate must shrink."""


class FocalOptions(Options):
    """Options of the focal loss."""

    gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    """How much less an image counts that is classified right already; 0 is the cross-entropy."""


def cross_entropy(options: SmoothOptions, class_weights: Tensor | None) -> Loss:
    """-sum_c share_c log softmax(logits)_c.  Smoothing: Szegedy et al. 2016, section 7."""
    import torch.nn.functional as F

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        if class_weights is None:
            return F.cross_entropy(logits, targets, label_smoothing=options.smoothing)
        shares, weights = _weigh(logits, targets, class_weights)
        each = F.cross_entropy(logits, shares, label_smoothing=options.smoothing, reduction="none")
        return (weights * each).mean()

    return loss


def binary_cross_entropy(options: BinaryOptions, class_weights: Tensor | None) -> Loss:
    """-mean_c (share_c log p_c + (1 - share_c) log(1 - p_c)), p = sigmoid(logits).  Wightman et al. 2021."""
    import torch.nn.functional as F

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        shares, weights = _weigh(logits, targets, class_weights)
        if options.threshold is not None:  # of the images, whatever their classes weigh
            shares = _smooth(_shares(logits, targets), options.smoothing).gt(options.threshold).to(shares)
        else:
            shares = _smooth(shares, options.smoothing)
        each = F.binary_cross_entropy_with_logits(logits.float(), shares, reduction="none")
        return (weights * (each.sum(1) if options.sum_classes else each.mean(1))).mean()

    return loss


def focal(options: FocalOptions, class_weights: Tensor | None) -> Loss:
    """-sum_c share_c (1 - p_c)^gamma log p_c, p = softmax(logits).  Lin et al. 2017, for softmax."""

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        shares, weights = _weigh(logits, targets, class_weights)
        logs = logits.float().log_softmax(1)
        rest = (1 - logs.exp()).clamp(min=_LEAST)  # at 0, a power below 1 has no slope
        return -(weights * (shares * rest**options.gamma * logs).sum(1)).mean()

    return loss


def _shares(logits: Tensor, targets: Tensor) -> Tensor:
    """Labels (B,), or shares (B, classes) -> shares (B, classes) in float32."""
    import torch.nn.functional as F

    return (F.one_hot(targets, logits.shape[1]) if targets.ndim == 1 else targets).float()


def _weigh(logits: Tensor, targets: Tensor, class_weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Shares (B, classes) and a factor for each image (B,): a mixed image counts in each class with that one's weight.

    torch's `weight=` weighs the spread of the smoothing too: an image of a common class then teaches the rare ones.
    """
    shares = _shares(logits, targets)
    if class_weights is None:
        return shares, shares.new_ones(len(shares))
    weighed = shares * class_weights
    weights = weighed.sum(1)
    return weighed / weights[:, None], weights


def _smooth(shares: Tensor, smoothing: float) -> Tensor:
    return shares * (1 - smoothing) + smoothing / shares.shape[1]


@hookimpl
def archspec_losses() -> Offers:
    return {
        "cross-entropy": Offer(SmoothOptions, cross_entropy, "the classes exclude one another: softmax"),
        "bce": Offer(BinaryOptions, binary_cross_entropy, "each class by itself: binary cross-entropy after a sigmoid"),
        "focal": Offer(FocalOptions, focal, "cross-entropy that counts images less the better they are classified"),
    }
