"""Optimizers: torch's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from archspec import Offer, Offers, Options, hookimpl

if TYPE_CHECKING:
    from torch.optim import Optimizer

Groups = list[dict[str, Any]]
Rate = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Epsilon = Annotated[float, Field(gt=0)]


class OptimizerOptions(Options):
    """Options of every optimizer."""

    lr: Rate
    """The learning rate at the schedule's peak."""
    weight_decay: Decay
    """Of weights; norms and biases have none."""


class SgdOptions(OptimizerOptions):
    """Options of SGD."""

    lr: Rate = 0.1
    momentum: Share = 0.9
    """The share of the last step's direction that is kept."""
    nesterov: bool = True
    """Look ahead by the momentum. Without momentum it does nothing."""
    weight_decay: Decay = 1e-4


class AdamWOptions(OptimizerOptions):
    """Options of AdamW."""

    lr: Rate = 2e-3
    betas: tuple[Share, Share] = (0.9, 0.999)
    """The shares that are kept of the running mean of the gradient, and of its square."""
    eps: Epsilon = 1e-8
    """Added to the root of the squares."""
    weight_decay: Decay = 0.05


class AdafactorOptions(OptimizerOptions):
    """Options of Adafactor."""

    lr: Rate = 1e-2
    """The most that a step changes a tensor, as a share of the tensor's root mean square; at step t of a run it is
    1 / sqrt(t) at most."""
    beta2_decay: Annotated[float, Field(ge=-1, lt=0)] = -0.8
    """At step t, 1 - t^beta2_decay of the running mean of the squares is kept."""
    eps: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """A tensor's root mean square counts as this at least, so that one of zeros can grow."""
    clip: Annotated[float, Field(ge=1)] = 1.0
    """An update's root mean square is brought down to this."""
    weight_decay: Decay = 1e-2


class RmspropOptions(OptimizerOptions):
    """Options of RMSprop, with the defaults of EfficientNet.  Tan and Le 2019."""

    lr: Rate = 2e-3
    alpha: Share = 0.9
    """The share that is kept of the running mean of the squares."""
    eps: Epsilon = 1e-3
    """Added to the root of the squares."""
    momentum: Share = 0.9
    """The share of the last step's direction that is kept."""
    centered: bool = False
    """Take the square of the running mean off the squares, which leaves the variance."""
    weight_decay: Decay = 1e-5


def sgd(options: SgdOptions, groups: Groups) -> Optimizer:
    """v = m v + g + d w;  w -= lr (g + d w + m v) with Nesterov, lr v without.  Sutskever et al. 2013."""
    from torch.optim import SGD

    nesterov = options.nesterov and options.momentum > 0
    made = SGD(groups, lr=options.lr, momentum=options.momentum, nesterov=nesterov, fused=_fusible(groups))
    if options.momentum > 0:
        made.register_step_pre_hook(_begin_momentum)
    return made


def _begin_momentum(optimizer: Optimizer, *_: Any) -> None:
    """A momentum of zero for each parameter that has its first gradient.

    torch's fused kernel begins all of a group at once: it fails at a parameter that is unfrozen later, and where
    float16 overflows at the first step, it goes on from memory that nobody wrote.
    """
    from torch import zeros_like

    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None and "momentum_buffer" not in (state := optimizer.state[parameter]):
                state["momentum_buffer"] = zeros_like(parameter)


def adamw(options: AdamWOptions, groups: Groups) -> Optimizer:
    """w -= lr (mean(g) / (sqrt(mean(g^2)) + eps) + d w), running means without bias.  Loshchilov and Hutter 2019."""
    from torch.optim import AdamW

    return AdamW(groups, lr=options.lr, betas=options.betas, eps=options.eps, fused=_fusible(groups))


def adafactor(options: AdafactorOptions, groups: Groups) -> Optimizer:
    """w -= max(eps, rms(w)) min(lr, 1 / sqrt(t)) clip(g / sqrt(R C / mean(R))) + lr d w.  Shazeer and Stern 2018.

    R and C are running means of g^2 over the columns and rows of a weight's last two dimensions.
    """
    from torch.optim import Adafactor

    return Adafactor(groups, lr=options.lr, beta2_decay=options.beta2_decay, eps=(None, options.eps), d=options.clip)


def rmsprop(options: RmspropOptions, groups: Groups) -> Optimizer:
    """v = m v + (g + d w) / (sqrt(mean((g + d w)^2)) + eps);  w -= lr v.  Tieleman and Hinton 2012, lecture 6.5."""
    from torch.optim import RMSprop

    return RMSprop(
        groups,
        lr=options.lr,
        alpha=options.alpha,
        eps=options.eps,
        momentum=options.momentum,
        centered=options.centered,
    )


def _fusible(groups: Groups) -> bool | None:
    """True where torch has the fused kernel; None leaves the choice to torch, and False would forbid its others."""
    devices = {parameter.device.type for group in groups for parameter in group["params"]}
    return True if devices <= {"cpu", "cuda", "mps", "xpu"} else None


@hookimpl
def archspec_optimizers() -> Offers:
    return {
        "sgd": Offer(SgdOptions, sgd, "stochastic gradient descent with momentum"),
        "adamw": Offer(AdamWOptions, adamw, "Adam with decoupled weight decay"),
        "adafactor": Offer(AdafactorOptions, adafactor, "steps by the weights' own size, decoupled weight decay"),
        "rmsprop": Offer(RmspropOptions, rmsprop, "gradients over the root of their running square, with momentum"),
    }
