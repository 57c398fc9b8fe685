"""A trained network put to use: evaluation of a split, and predictions for image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archspec.data.index import ImageIndex
from archspec.data.loader import Batch, Loader
from archspec.data.machine import default_workers
from archspec.data.sources import ImageFiles
from archspec.data.transforms import EvaluationTransform, Normalize
from archspec.training.checkpoint import read_checkpoint
from archspec.training.device import choose_device, compute_dtype
from archspec.training.evaluation import autocast
from archspec.training.figures import Figures, Watch, measure
from archspec.training.run import Run
from archspec.training.session import logits_network

_BATCH = 32
_MANY = 4 * _BATCH
"""From so many images on, processes that read them are worth their start."""


@dataclass(frozen=True)
class Prediction:
    """The classes of one image by falling probability, or why it could not be read."""

    image: str
    classes: tuple[tuple[str, float], ...] = ()
    error: str | None = None

    def record(self) -> dict[str, Any]:
        if self.error is not None:
            return {"image": self.image, "error": self.error}
        name, probability = self.classes[0]
        top = [{"class": name, "probability": share} for name, share in self.classes]
        return {"image": self.image, "class": name, "probability": probability, "top": top}


class Classifier:
    """The network of a run's checkpoint (`best` or `last`), ready for images.

    Raises:
        RunError: the checkpoint is missing or damaged, or the device cannot be used.

    """

    def __init__(self, run: Run, checkpoint: str, device: str) -> None:
        self.run = run
        self.device = choose_device(device)
        manifest, state = read_checkpoint(run.best if checkpoint == "best" else run.last)
        self.epoch = manifest.progress.epoch
        self.preprocessing = preprocessing = manifest.preprocessing  # a run that goes on may have another by then
        self.normalize = Normalize(preprocessing, self.device, channels_last=run.recipe.channels_last)
        network = logits_network(run.spec, state, run.recipe.freeze).to(memory_format=self.normalize.memory_format)
        self.network = network.to(self.device).eval()
        self.dtype = compute_dtype(run.recipe.precision, self.device)
        self.transform = EvaluationTransform(preprocessing)

    def evaluate(self, index: ImageIndex, workers: int | None = None, watch: Watch = iter) -> Figures:
        """The figures of a split whose labels are positions in the run's classes.

        Raises:
            DataError: an image cannot be read.

        """
        skip = self.run.recipe.on_corrupt == "skip"
        loader = self._loader(index, self.run.recipe.batch_size, workers, skip_unreadable=skip)
        return measure(self.network, loader, self.normalize, self.dtype, self.run.classes, watch)

    def predict(self, images: Sequence[str], workers: int | None = None, best: int = 5) -> Iterator[Prediction]:
        """The `best` likeliest classes of each image file, in order, as they come.

        Raises:
            DataError: a process that reads images died or hangs.

        """
        index = ImageIndex(ImageFiles(Path(), images), np.zeros(len(images)))
        if workers is None:
            workers = default_workers() if len(images) >= _MANY else 0
        for batch in self._loader(index, _BATCH, workers, tell_unreadable=True).epoch():
            yield from self._predictions(index, batch, min(best, len(self.run.classes)))

    def _loader(self, index: ImageIndex, batch_size: int, workers: int | None, **unreadable: bool) -> Loader:
        return Loader(
            index,
            self.preprocessing.reading,
            self.transform,
            batch_size=batch_size,
            workers=default_workers() if workers is None else workers,
            pin_memory=self.device.type == "cuda",
            **unreadable,
        )

    def _predictions(self, index: ImageIndex, batch: Batch, best: int) -> Iterator[Prediction]:
        """Of the batch's images, the unreadable ones in their places."""
        found = {
            image.position: Prediction(index.name(image.position), error=image.message) for image in batch.unreadable
        }
        if len(batch.positions):
            top = self._probabilities(batch.images).topk(best)
            rows = zip(batch.positions.tolist(), top.indices.tolist(), top.values.tolist(), strict=True)
            for position, labels, shares in rows:
                names = (self.run.classes[label] for label in labels)
                found[position] = Prediction(index.name(position), tuple(zip(names, shares, strict=True)))
        for position in sorted(found):
            yield found[position]

    def _probabilities(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) of uint8 -> (B, classes)."""
        with torch.inference_mode(), autocast(self.device, self.dtype):
            logits = self.network(self.normalize(images))
        probabilities: torch.Tensor = logits.float().softmax(dim=1).cpu()
        return probabilities
