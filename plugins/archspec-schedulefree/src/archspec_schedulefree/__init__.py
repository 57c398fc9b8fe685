"""The schedule-free optimizers: an average of the weights takes the place of a falling learning rate.

Defazio et al. 2024, The Road Less Scheduled, https://arxiv.org/abs/2405.15682; by the authors' package `schedulefree`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from archspec import Offer, Offers, Options, hookimpl

if TYPE_CHECKING:
    from torch.optim import Optimizer

_PAPER = "https://arxiv.org/abs/2405.15682"
Groups = list[dict[str, Any]]
Rate = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Epsilon = Annotated[float, Field(gt=0)]


class ScheduleFreeOptions(Options):
    """Options of every schedule-free optimizer."""

    lr: Rate
    """The learning rate: with `schedule: constant` that of every step behind the warm-up."""
    weight_decay: Decay
    """Of weights; norms and biases have none."""
    r: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Step k counts in the average by k^r: a larger one forgets the first steps. The paper has 0.75 for ImageNet."""
    weight_lr_power: Annotated[float, Field(ge=0, le=10)] = 2.0
    """And by the highest learning rate so far to this power, so that a warm-up counts little."""


class SgdOptions(ScheduleFreeOptions):
    """Options of schedule-free SGD."""

    lr: Rate = 1.0
    momentum: Share = 0.9
    """Where gradients are taken: this share of the way from the newest weights to their average."""
    weight_decay: Decay = 1e-4


class AdamWOptions(ScheduleFreeOptions):
    """Options of schedule-free AdamW."""

    lr: Rate = 2.5e-3
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Where gradients are taken, as SGD's `momentum`, and the share that is kept of the running mean of the squares."""
    eps: Epsilon = 1e-8
    """Added to the root of the squares."""
    weight_decay: Decay = 0.05


class RAdamOptions(AdamWOptions):
    """Options of schedule-free RAdam, which needs no warm-up."""

    betas: tuple[Share, Annotated[float, Field(ge=0.9, lt=1)]] = (0.9, 0.999)
    """Where gradients are taken, as SGD's `momentum`, and the share that is kept of the running mean of the squares."""
    silent_sgd_phase: bool = True
    """Leave the weights alone for the first steps, until the variance of the squares is known, instead of SGD."""


def sgd(options: SgdOptions, groups: Groups) -> Optimizer:
    """z -= lr (g(y) + d y);  x += c (z - x);  y = m x + (1 - m) z.  Defazio et al. 2024, section 2."""
    from archspec_schedulefree.optimizers import SGD

    return SGD(groups, momentum=options.momentum, **_common(options))


def adamw(options: AdamWOptions, groups: Groups) -> Optimizer:
    """The same with a step z -= lr (g(y) / (sqrt(mean(g^2)) + eps) + d y).  Defazio et al. 2024, algorithm 1."""
    from archspec_schedulefree.optimizers import AdamW

    return AdamW(groups, betas=options.betas, eps=options.eps, **_common(options))


def radam(options: RAdamOptions, groups: Groups) -> Optimizer:
    """AdamW whose rate is rectified by the variance of the squares, as a warm-up by itself.  Liu et al. 2020."""
    from archspec_schedulefree.optimizers import RAdam

    silent = options.silent_sgd_phase
    return RAdam(groups, betas=options.betas, eps=options.eps, silent_sgd_phase=silent, **_common(options))


def _common(options: ScheduleFreeOptions) -> dict[str, Any]:
    return {"lr": options.lr, "r": options.r, "weight_lr_power": options.weight_lr_power}


@hookimpl
def archspec_optimizers() -> Offers:
    return {
        "schedule-free-sgd": Offer(SgdOptions, sgd, "SGD whose average of weights needs no schedule", docs=_PAPER),
        "schedule-free-adamw": Offer(
            AdamWOptions, adamw, "AdamW whose average of weights needs no schedule", docs=_PAPER
        ),
        "schedule-free-radam": Offer(
            RAdamOptions, radam, "the same with RAdam, which needs no warm-up either", docs=_PAPER
        ),
    }
