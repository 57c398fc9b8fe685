"""What a run yields as it goes: steps, epochs, and what comes before their first."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from archspec.finetuning.solve import HeadResult
from archspec.training.evaluation import Evaluation


@dataclass(frozen=True)
class StepResult:
    """One step. The tensors stay on the device: to read them makes the host wait for it."""

    epoch: int
    step: int
    batch: int
    """How many batches of the epoch are done with it."""
    batches: int
    images: int
    lr: float
    """Of what trains; where groups have different ones, the highest."""
    loss: Tensor
    """The step's mean loss, before the update: ()."""
    correct: Tensor
    """How many images were classified right: (). A mixed image counts by the class it has most of."""
    gradient_norm: Tensor
    """The length of the gradient over all parameters, before it is clipped: ()."""
    positions: Tensor
    """Of the images in the training index: (images,)."""


@dataclass(frozen=True)
class EpochResult:
    """One epoch: means over the training images, and the validation split's figures."""

    epoch: int
    step: int
    lr: float
    train_loss: float
    train_top1: float
    validation: Evaluation | None
    """None for an epoch that the recipe does not evaluate."""
    seconds: float
    images_per_second: float
    waited: float
    """Seconds in which training waited for images, the first batch left out."""
    skipped: int
    """Training images that could not be read."""


@dataclass(frozen=True)
class FeatureResult:
    """A part of the images went through the frozen prefix."""

    epoch: int
    images: int
    """How many so far."""
    total: int


Result = StepResult | EpochResult | FeatureResult | HeadResult
