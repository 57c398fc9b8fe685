"""Measures a network on a split."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archspec.data.loader import Batch
from archspec.data.transforms import Entrance
from archspec.errors import RunError


@dataclass(frozen=True)
class Evaluation:
    """Figures of one split: accuracies are shares from 0 to 1, `loss` is the mean cross entropy in nats."""

    top1: float
    top5: float
    """Among the best five, or among all where there are fewer classes."""
    balanced: float
    """The mean of the recalls of the classes that occur: every class weighs alike."""
    loss: float
    images: int
    skipped: int = 0
    """Images that could not be read, which no figure counts."""

    def record(self) -> dict[str, float | int]:
        return asdict(self)


class Batches(Protocol):
    """What evaluation goes through: a loader of images, or of features."""

    skipped: dict[int, str]

    def epoch(self) -> Iterator[Batch]: ...


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    """The context in which a forward pass runs in `dtype`; None is float32."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def predict_batches(
    network: nn.Module, loader: Batches, enter: Entrance, dtype: torch.dtype | None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Logits (B, classes), labels (B,) and positions (B,) of every image, in the index's order."""
    network.eval()
    for batch in loader.epoch():
        with torch.inference_mode(), autocast(enter.device, dtype):
            logits = network(enter(batch.images))
        yield logits.float(), enter.move(batch.labels), batch.positions


def evaluate(network: nn.Module, loader: Batches, enter: Entrance, dtype: torch.dtype | None) -> Evaluation:
    """The network's figures on a loader's images.

    Raises:
        RunError: the loss is not finite.
        DataError: an image cannot be read.

    """
    images, top1, top5, loss = 0, 0, 0, 0.0
    seen: list[tuple[Tensor, Tensor]] = []
    for logits, labels, _ in predict_batches(network, loader, enter, dtype):
        best = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
        images += len(labels)
        top1 += int(best[:, 0].sum())
        seen.append((labels, best[:, 0]))
        top5 += int(best.any(1).sum())
        loss += float(F.cross_entropy(logits, labels, reduction="sum"))
    if not math.isfinite(loss):
        help = "the network's weights or statistics have run away; a smaller learning rate (--lr) usually mends it"
        raise RunError(f"the loss in evaluation is {loss}", help=help)
    balanced = _balanced(*(torch.cat(column).cpu() for column in zip(*seen, strict=True)))
    return Evaluation(top1 / images, top5 / images, balanced, loss / images, images, len(loader.skipped))


def _balanced(labels: Tensor, right: Tensor) -> float:
    """The mean recall of the classes that occur, from labels (images,) and whether each was found (images,)."""
    images = labels.bincount()
    found = labels[right].bincount(minlength=len(images))
    return float((found.double() / images)[images > 0].mean())
