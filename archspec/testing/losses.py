"""What a loss promises: the mean over a batch, of labels as of shares, finite, with a slope, and weighed by class."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from archspec.offers import Options
from archspec.testing.cases import Fault
from archspec.testing.randomness import randomness_left_alone

_IMAGES, _CLASSES = 12, (2, 3, 10)
_EXTREME = 1e4
_close = partial(torch.isclose, rtol=1e-5, atol=1e-6)


def prove_loss(options: Options) -> None:
    """Hold a loss to its promises, for several numbers of classes.

    Raises:
        Fault: it broke one.

    """
    for classes in _CLASSES:
        logits, labels = 2 * torch.randn(_IMAGES, classes), torch.arange(_IMAGES) % classes
        share = torch.rand(_IMAGES, 1)
        mixed = share * F.one_hot(labels, classes) + (1 - share) * F.one_hot(labels.roll(1), classes)
        loss = _Loss(options, None)
        for targets in (labels, mixed):
            _prove_values(loss, logits, targets)
            _prove_mean(loss, logits, targets)
        _prove_extremes(loss, labels, classes)
        _prove_shares(loss, logits, labels)
        _prove_half_precision(loss, logits, mixed)
        _prove_weights(options, loss, logits, labels, mixed)


class _Loss:
    """The offer's loss, which complains where a call breaks a promise."""

    def __init__(self, options: Options, weights: Tensor | None) -> None:
        made = options.offer.make(options, weights)
        if not callable(made):
            raise Fault(f"`make` must return a function of logits and targets, not {made!r}")
        self.made: Callable[[Tensor, Tensor], Any] = made

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        given = logits.detach().clone(), targets.clone()
        try:
            with randomness_left_alone("it", "a loss is a function of logits and targets"):
                value = self.made(logits, targets)
        except Fault:
            raise
        except Exception as error:
            raise Fault(f"of {_describe(targets)} it fails: {type(error).__name__}: {error}") from error
        if not isinstance(value, Tensor) or value.shape != ():
            made = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise Fault(f"it makes {made} of {_describe(targets)}, and must make a tensor (): the batch's mean")
        if not (torch.equal(logits.detach(), given[0]) and torch.equal(targets, given[1])):
            raise Fault("it changes the logits or targets that it is given, which the accuracy is counted on")
        return value

    def slope(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and its gradient by the logits."""
        logits = logits.clone().requires_grad_()
        value = self(logits, targets)
        if not value.requires_grad:
            raise Fault(f"no gradient reaches the logits, of {_describe(targets)}")
        value.backward()
        assert logits.grad is not None
        return value.detach(), logits.grad


def _describe(targets: Tensor) -> str:
    return "labels (B,)" if targets.ndim == 1 else "shares (B, classes)"


def _prove_values(loss: _Loss, logits: Tensor, targets: Tensor) -> None:
    """Finite and the same each time, with a gradient, of a batch and of one image."""
    for images in (slice(None), slice(1)):
        value, slope = loss.slope(logits[images], targets[images])
        what = f"{len(logits[images])} images with {_describe(targets)}"
        if not (value.isfinite() and slope.isfinite().all()):
            raise Fault(f"of {what} the loss is {value}, or its gradient is not finite")
        if len(slope) > 1 and not slope.any():
            raise Fault(f"the gradient of {what} is 0: nothing would be learned")
        if not torch.equal(value, loss(logits[images], targets[images])):
            raise Fault("of one batch it makes two losses: it must be a function of logits and targets")


def _prove_mean(loss: _Loss, logits: Tensor, targets: Tensor) -> None:
    """Another order changes nothing, nor does each image twice."""
    value, order = loss(logits, targets), torch.randperm(len(logits))
    _refuse_other(value, loss(logits[order], targets[order]), "in another order, the batch's images")
    twice = loss(torch.cat([logits, logits]), torch.cat([targets, targets]))
    _refuse_other(value, twice, "a batch that holds every image twice: it is a mean; its images")


def _prove_extremes(loss: _Loss, labels: Tensor, classes: int) -> None:
    """Logits far out, right and wrong: half precision and bad starts make such."""
    right = _EXTREME * F.one_hot(labels, classes).float()
    for logits in (right, -right, right.roll(1, 0), torch.zeros_like(right)):
        value, slope = loss.slope(logits, labels)
        if not (value.isfinite() and slope.isfinite().all()):
            what = f"{value}, or its gradient is not finite, of logits from {logits.min():g} to {logits.max():g}"
            raise Fault(f"the loss is {what}: take logarithms as log_softmax and logsigmoid do")


def _prove_shares(loss: _Loss, logits: Tensor, labels: Tensor) -> None:
    one_hot = F.one_hot(labels, logits.shape[1]).float()
    _refuse_other(loss(logits, labels), loss(logits, one_hot), "of shares that are the labels, images")


def _prove_half_precision(loss: _Loss, logits: Tensor, targets: Tensor) -> None:
    logits = logits.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        half = loss(logits, targets)
    if abs(float(half) - float(whole := loss(logits.float(), targets))) > 0.02 * abs(float(whole)) + 1e-3:
        raise Fault(f"of logits in bfloat16 the loss is {half:g}, and of the same in float32 {whole:g}")


def _prove_weights(options: Options, loss: _Loss, logits: Tensor, labels: Tensor, mixed: Tensor) -> None:
    """Weights of 1 change nothing; an image counts as its class weighs, and the batch is divided by its images."""
    classes = logits.shape[1]
    ones = _Loss(options, torch.ones(classes))
    for targets in (labels, mixed):
        _refuse_other(loss(logits, targets), ones(logits, targets), "with class weights of 1, images")
    weights = torch.linspace(0.25, 2, classes)
    weighed = _Loss(options, weights)
    each = [weights[label] * loss(logits[i, None], labels[i, None]) for i, label in enumerate(labels)]
    rule = "multiply an image's loss by its class's weight, and divide by the number of images"
    for images in (1, _IMAGES):
        expected, value = torch.stack(each[:images]).mean(), weighed(logits[:images], labels[:images])
        if not _close(value, expected):
            raise Fault(f"with class weights, {images} images have the loss {value:g}, not {expected:g}: {rule}")
    _prove_shares(weighed, logits, labels)
    _prove_values(weighed, logits, mixed)


def _refuse_other(value: Tensor, other: Tensor, when: str) -> None:
    if not _close(value, other):
        raise Fault(f"{when} that had the loss {value:.7g} have {other:.7g}")
