"""Counts and sums over the images of a split, on the device: what every figure is made of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BINS = 15
"""Of equal width, for calibration, as in Guo et al. 2017."""


class Tally:
    """What the figures are made of: counts and sums, none of them per image, none read before the end.

    Plain torch: torchmetrics keeps every image's confidence for its calibration error, takes a second to import, and
    the rest of its work would be this one matrix. The tests compare with it.
    """

    def __init__(self, classes: int, device: torch.device) -> None:
        exact = torch.float32 if device.type == "mps" else torch.float64  # Apple's GPUs have no float64
        self.classes = classes
        self.best = min(5, classes)
        self.confusion = torch.zeros(classes * classes, dtype=torch.int64, device=device)
        self.among_best = torch.zeros((), dtype=torch.int64, device=device)
        self.loss = torch.zeros((), dtype=exact, device=device)
        self.bounds = torch.linspace(0, 1, BINS + 1, device=device)[1:-1]
        self.binned = torch.zeros(BINS, dtype=torch.int64, device=device)
        self.right = torch.zeros(BINS, dtype=torch.int64, device=device)
        self.confidence = torch.zeros(BINS, dtype=exact, device=device)

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch: logits (B, classes) of float32 and labels (B,), both on the device."""
        best = logits.topk(self.best, dim=1).indices
        guesses = best[:, 0]
        ones = torch.ones_like(labels)
        self.confusion.index_add_(0, labels * self.classes + guesses, ones)
        self.among_best += (best == labels[:, None]).sum()
        self.loss += F.cross_entropy(logits, labels, reduction="sum")
        confidences = logits.softmax(dim=1).gather(1, guesses[:, None])[:, 0]
        bins = torch.bucketize(confidences, self.bounds)  # a bin holds its upper bound
        self.binned.index_add_(0, bins, ones)
        self.right.index_add_(0, bins, (guesses == labels).long())
        self.confidence.index_add_(0, bins, confidences.to(self.confidence.dtype))
