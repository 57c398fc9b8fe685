"""A trained network put to use: evaluation of a split, and predictions for image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archspec.data.decode import read_image
from archspec.data.index import ImageIndex
from archspec.data.loader import Loader
from archspec.data.machine import default_workers
from archspec.data.transforms import EvaluationTransform, Normalize
from archspec.errors import DataError
from archspec.training.checkpoint import read_checkpoint
from archspec.training.evaluation import Evaluation, autocast, evaluate
from archspec.training.run import Run
from archspec.training.session import choose_device, compute_dtype, logits_network

_BATCH = 32


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
        preprocessing = run.info.preprocessing
        self.normalize = Normalize(preprocessing, self.device, channels_last=run.recipe.channels_last)
        network = logits_network(run.spec, state).to(memory_format=self.normalize.memory_format)
        self.network = network.to(self.device).eval()
        self.dtype = compute_dtype(run.recipe.precision, self.device)
        self.transform = EvaluationTransform(preprocessing)

    def evaluate(self, index: ImageIndex, workers: int | None = None) -> Evaluation:
        """The figures of a split whose labels are positions in the run's classes.

        Raises:
            DataError: an image cannot be read.

        """
        loader = Loader(
            index,
            self.run.info.preprocessing.reading,
            self.transform,
            batch_size=self.run.recipe.batch_size,
            workers=default_workers() if workers is None else workers,
            skip_unreadable=self.run.recipe.on_corrupt == "skip",
        )
        return evaluate(self.network, loader, self.normalize, self.dtype)

    def predict(self, images: Sequence[Path], best: int = 5) -> Iterator[Prediction]:
        """The `best` likeliest classes of each image, in order."""
        for begin in range(0, len(images), _BATCH):
            yield from self._predict_batch(images[begin : begin + _BATCH], best)

    def _predict_batch(self, images: Sequence[Path], best: int) -> Iterator[Prediction]:
        pixels, errors = [], {}
        for path in images:
            try:
                pixels.append(self.transform(read_image(path, self.run.info.preprocessing.reading)))
            except DataError as error:
                errors[path] = error.message
        shares = iter(self._probabilities(np.stack(pixels)) if pixels else ())
        for path in images:
            if path in errors:
                yield Prediction(str(path), error=errors[path])
                continue
            probabilities = next(shares)
            top = probabilities.topk(min(best, len(self.run.classes)))
            named = zip(top.indices.tolist(), top.values.tolist(), strict=True)
            yield Prediction(str(path), tuple((self.run.classes[label], share) for label, share in named))

    def _probabilities(self, pixels: np.ndarray) -> torch.Tensor:
        """(B, H, W, C) of uint8 -> (B, classes)."""
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        with torch.inference_mode(), autocast(self.device, self.dtype):
            logits = self.network(self.normalize(batch))
        probabilities: torch.Tensor = logits.float().softmax(dim=1).cpu()
        return probabilities
