"""Image -> pixels of the network's size, for training and for evaluation; pixels -> normalised floats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from archspec.data.preprocessing import Augmentation, Preprocessing

Transform = Callable[[Image.Image], np.ndarray]
"""An image -> (H, W, C) of uint8."""


class TrainTransform:
    """A random resized crop and a flip, drawn from torch's generator."""

    def __init__(self, preprocessing: Preprocessing, augmentation: Augmentation) -> None:
        self.transform = v2.Compose(
            [
                v2.RandomResizedCrop(preprocessing.size, scale=augmentation.scale, ratio=augmentation.ratio),
                v2.RandomHorizontalFlip(augmentation.flip),
            ]
        )

    def __call__(self, image: Image.Image) -> np.ndarray:
        return as_pixels(self.transform(image))


class EvaluationTransform:
    """The middle of the image, at the network's size."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.preprocessing = preprocessing

    def __call__(self, image: Image.Image) -> np.ndarray:
        height, width = self.preprocessing.size
        scale = max(wanted / have for wanted, have in zip(self.preprocessing.resize, reversed(image.size), strict=True))
        box_height, box_width = min(height / scale, image.height), min(width / scale, image.width)  # but for rounding
        left, top = (image.width - box_width) / 2, (image.height - box_height) / 2
        box = (left, top, left + box_width, top + box_height)
        return as_pixels(image.resize((width, height), Image.Resampling.BILINEAR, box=box))


def as_pixels(image: Image.Image) -> np.ndarray:
    """An image -> (H, W, C) of uint8."""
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


class Normalize:
    """How a batch enters the network: on its device, (value / 255 - mean) / std per channel, in its memory format."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device, *, channels_last: bool = True) -> None:
        shape = (1, -1, 1, 1)
        self.scale = 1 / (255 * torch.tensor(preprocessing.std, device=device).view(shape))
        self.offset = -torch.tensor(preprocessing.mean, device=device).view(shape) * 255 * self.scale
        self.device = device
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, H, W) of uint8 -> (B, C, H, W) of float32."""
        images = self.move(images).to(torch.float32, memory_format=self.memory_format)
        return torch.addcmul(self.offset, images, self.scale)

    def move(self, tensor: Tensor) -> Tensor:
        """The tensor on the device. Only batches for CUDA are pinned, and only those may be copied in passing."""
        return tensor.to(self.device, non_blocking=self.device.type == "cuda")
