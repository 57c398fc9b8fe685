"""Optimizers: torch's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from archspec import Offer, Offers, Options, hookimpl

if TYPE_CHECKING:
    from torch.optim import Optimizer

Share = Annotated[float, Field(ge=0, lt=1)]


class OptimizerOptions(Options):
    """Options of every optimizer."""

    lr: Annotated[float, Field(gt=0)]
    """The learning rate at the schedule's peak."""
    weight_decay: Annotated[float, Field(ge=0)]
    """Of weights; norms and biases have none."""


class SgdOptions(OptimizerOptions):
    """Options of SGD."""

    lr: Annotated[float, Field(gt=0)] = 0.1
    momentum: Share = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4


class AdamWOptions(OptimizerOptions):
    """Options of AdamW."""

    lr: Annotated[float, Field(gt=0)] = 2e-3
    betas: tuple[Share, Share] = (0.9, 0.999)
    eps: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.05


def sgd(options: SgdOptions, groups: list[dict[str, Any]]) -> Optimizer:
    """Stochastic gradient descent with momentum, all parameters in one kernel.  Sutskever et al. 2013."""
    from torch.optim import SGD

    nesterov = options.nesterov and options.momentum > 0
    return SGD(groups, lr=options.lr, momentum=options.momentum, nesterov=nesterov, fused=_fusible(groups))


def adamw(options: AdamWOptions, groups: list[dict[str, Any]]) -> Optimizer:
    """Adam with decoupled weight decay, all parameters in one kernel.  Loshchilov and Hutter 2019."""
    from torch.optim import AdamW

    return AdamW(groups, lr=options.lr, betas=options.betas, eps=options.eps, fused=_fusible(groups))


def _fusible(groups: list[dict[str, Any]]) -> bool | None:
    """True where torch has the fused kernel; None leaves the choice to torch, and False would forbid its others."""
    devices = {parameter.device.type for group in groups for parameter in group["params"]}
    return True if devices <= {"cpu", "cuda", "mps", "xpu"} else None


@hookimpl
def archspec_optimizers() -> Offers:
    return {
        "sgd": Offer(SgdOptions, sgd, "stochastic gradient descent with momentum"),
        "adamw": Offer(AdamWOptions, adamw, "Adam with decoupled weight decay"),
    }
