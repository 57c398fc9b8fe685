"""Mixes the images of a batch and their labels: mixup and CutMix, drawn by the seed and the batch's place."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms import v2

from archspec.data.randomness import MIX, seed_generator


class Mixing:
    """Blends each image of a batch with its neighbour (mixup), or cuts a box from that (CutMix).

    `mixup` and `cutmix` are the alphas of Beta(alpha, alpha), which draws the share; 0 is never. With both, each batch
    has one of them at random. One share holds for the whole batch, as in both papers' code.
    """

    def __init__(self, mixup: float, cutmix: float, probability: float, *, classes: int, seed: int) -> None:
        kinds = (v2.MixUp, mixup), (v2.CutMix, cutmix)
        self.kinds = [kind(alpha=alpha, num_classes=classes) for kind, alpha in kinds if alpha > 0]
        self.probability, self.seed = probability, seed

    def __call__(self, images: Tensor, labels: Tensor, epoch: int, number: int) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) of floats and (B,) -> the same, or mixed images and their classes' shares (B, classes).

        It is a function of the seed, the epoch, and the batch's number in it.
        """
        if not self.kinds:
            return images, labels
        seed_generator(MIX, self.seed, epoch, number)
        if torch.rand(()) >= self.probability:
            return images, labels
        kind = self.kinds[int(torch.randint(len(self.kinds), ()))]
        mixed: tuple[Tensor, Tensor] = kind(images, labels)
        return mixed
