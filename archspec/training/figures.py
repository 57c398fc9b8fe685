"""Every figure of a network on a split, from one pass over its images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from archspec.data.loader import Loader
from archspec.data.transforms import Normalize
from archspec.errors import DataError, RunError
from archspec.training.evaluation import predict_batches
from archspec.training.intervals import LEVEL, Interval, effective_images, wilson
from archspec.training.tally import BINS, Tally

Logits = tuple[Tensor, Tensor, Tensor]
Watch = Callable[[Iterator[Logits]], Iterator[Logits]]
"""Passes batches on, and may show how far the work is."""


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one class; None where there is nothing to divide by."""

    name: str
    support: int
    """Images of the class."""
    predicted: int
    """Images that the network took for the class."""
    precision: float | None
    """Of the images that it took for the class, the share that is of it."""
    recall: float | None
    """Of the images of the class, the share that it took for it."""
    recall_interval: Interval | None
    f1: float | None
    """The harmonic mean of precision and recall."""


@dataclass(frozen=True)
class Bin:
    """The images whose best class has a probability above `above`, and at most `to`."""

    above: float
    to: float
    images: int
    confidence: float | None
    """The mean of those probabilities."""
    accuracy: float | None
    """The share that is right."""


@dataclass(frozen=True)
class Figures:
    """Figures of one split: shares from 0 to 1, `loss` is the mean cross entropy in nats."""

    top1: float
    top5: float
    top5_k: int
    """How many classes count as the best five: all, where there are fewer."""
    loss: float
    balanced_accuracy: float
    """The mean of the recalls: every class weighs alike."""
    macro_f1: float
    """The mean of the classes' F1."""
    calibration_error: float
    """Expected calibration error: |accuracy - confidence| of the bins, weighed by their images."""
    confidence: float
    """The mean probability of the best class."""
    images: int
    skipped: int
    """Images that could not be read, which no figure counts."""
    intervals: dict[str, Interval]
    """Of `top1`, `top5` and `balanced_accuracy`."""
    classes: tuple[ClassFigures, ...]
    calibration: tuple[Bin, ...]
    confusion: np.ndarray = field(repr=False)
    """(classes, classes): images of the row's class that were taken for the column's."""

    def record(self) -> dict[str, Any]:
        """As `archspec eval --json` gives it. docs/evaluation.md has every key."""
        names = ("top1", "top5", "top5_k", "loss", "balanced_accuracy", "macro_f1", "calibration_error", "confidence")
        bounds = {name: list(bounds) for name, bounds in self.intervals.items()}
        classes = [asdict(row) for row in self.classes]
        return {
            **{name: getattr(self, name) for name in (*names, "images", "skipped")},
            "intervals": {"method": "wilson", "level": LEVEL, **bounds},
            "classes": [{"class": row.pop("name"), **row} for row in classes],
            "calibration": [asdict(row) for row in self.calibration],
            "confusion_matrix": self.confusion.tolist(),
        }


def measure(
    network: nn.Module,
    loader: Loader,
    normalize: Normalize,
    dtype: torch.dtype | None,
    classes: Sequence[str],
    watch: Watch = iter,
) -> Figures:
    """The network's figures on a loader's images, whose labels are positions in `classes`.

    Raises:
        RunError: the loss is not finite.
        DataError: an image cannot be read, or none can.

    """
    tally = Tally(len(classes), normalize.device)
    for logits, labels, _ in watch(predict_batches(network, loader, normalize, dtype)):
        tally.add(logits, labels)
    loss = float(tally.loss)
    if not math.isfinite(loss):
        help = "the network's weights or statistics have run away: `--checkpoint best` may hold sound ones"
        raise RunError(f"the loss in evaluation is {loss}", help=help)
    if not int(tally.binned.sum()):
        raise DataError("no image of the split could be read", file=loader.index.root)
    return figures_of(tally, classes, len(loader.skipped))


def figures_of(tally: Tally, classes: Sequence[str], skipped: int = 0) -> Figures:
    """The figures of a tally that has counted an image or more."""
    confusion = tally.confusion.cpu().numpy().reshape(tally.classes, tally.classes)
    support, hits = confusion.sum(1), confusion.diagonal()
    images, held = int(support.sum()), support > 0
    top1, top5 = int(hits.sum()) / images, int(tally.among_best) / images
    balanced = float((hits[held] / support[held]).mean())
    rows = tuple(_class_figures(name, *counts) for name, *counts in _counts(classes, confusion))
    binned, right = tally.binned.tolist(), tally.right.tolist()
    confidence = tally.confidence.tolist()
    certain = tally.best == tally.classes  # among all classes is every image's: nothing was measured
    intervals = {
        "top1": wilson(top1, images),
        "top5": (1.0, 1.0) if certain else wilson(top5, images),
        "balanced_accuracy": wilson(balanced, effective_images(hits[held], support[held])),
    }
    return Figures(
        top1=top1,
        top5=top5,
        top5_k=tally.best,
        loss=float(tally.loss) / images,
        balanced_accuracy=balanced,
        macro_f1=float(np.mean([row.f1 for row in rows if row.f1 is not None])),
        calibration_error=sum(abs(hit - sure) for hit, sure in zip(right, confidence, strict=True)) / images,
        confidence=sum(confidence) / images,
        images=images,
        skipped=skipped,
        intervals=intervals,
        classes=rows,
        calibration=tuple(_bin(*row) for row in zip(range(BINS), binned, right, confidence, strict=True)),
        confusion=confusion,
    )


def _counts(classes: Sequence[str], confusion: np.ndarray) -> Iterator[tuple[str, int, int, int]]:
    """For each class its name, its images, those taken for it, and those that are both."""
    counts = (confusion.sum(1), confusion.sum(0), confusion.diagonal())
    return zip(classes, *(count.tolist() for count in counts), strict=True)


def _class_figures(name: str, support: int, predicted: int, hits: int) -> ClassFigures:
    recall = _share(hits, support)
    return ClassFigures(
        name=name,
        support=support,
        predicted=predicted,
        precision=_share(hits, predicted),
        recall=recall,
        recall_interval=None if recall is None else wilson(recall, support),
        f1=_share(2 * hits, support + predicted),
    )


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _bin(number: int, images: int, right: int, confidence: float) -> Bin:
    return Bin(number / BINS, (number + 1) / BINS, images, _share(confidence, images), _share(right, images))
