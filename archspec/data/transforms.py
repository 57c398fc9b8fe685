"""Image -> pixels of the network's size, for training and for evaluation; pixels -> normalised floats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from archspec.data.augmentation import Transforms, in_order
from archspec.data.preprocessing import Preprocessing

Transform = Callable[[Image.Image], np.ndarray]
"""An image -> (H, W, C) of uint8."""

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class TrainTransform:
    """The transforms of a recipe's augmentation, one after another. They draw from torch's generator."""

    def __init__(self, preprocessing: Preprocessing, augmentation: Transforms) -> None:
        self.transforms = [options.offer.make(options, preprocessing) for options in in_order(augmentation)]

    def __call__(self, image: Image.Image) -> np.ndarray:
        for transform in self.transforms:
            image = transform(image)
        return as_pixels(image)


@dataclass(frozen=True)
class ByEpoch:
    """A transform for each part of a run: (first epoch, transform), the epochs rising from 0."""

    parts: tuple[tuple[int, Transform], ...]

    def at(self, epoch: int) -> Transform:
        """What is done in an epoch, counted from 0."""
        return next(transform for first, transform in reversed(self.parts) if epoch >= first)


class EvaluationTransform:
    """The middle of the image, at the network's size."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.preprocessing = preprocessing

    def __call__(self, image: Image.Image) -> np.ndarray:
        return as_pixels(self.view(image))

    def view(self, image: Image.Image) -> Image.Image:
        """What evaluation sees of an image.

        Resize and cut are one step: the part of the image that will be seen is resized, and the rest never computed.
        """
        width, height = size = self.preprocessing.size[::-1]
        across, down = self._scales(image)
        seen = min(width / across, image.width), min(height / down, image.height)  # in pixels of the image
        left, top = (image.width - seen[0]) / 2, (image.height - seen[1]) / 2
        box = (left, top, left + seen[0], top + seen[1])
        drawn = min(width, max(1, round(seen[0] * across))), min(height, max(1, round(seen[1] * down)))
        part = image.resize(drawn, _FILTERS[self.preprocessing.interpolation], box=box)
        return part if drawn == size else self._pad(part, size)

    def _scales(self, image: Image.Image) -> tuple[float, float]:
        """By how much the image is enlarged, across and down."""
        height, width = self.preprocessing.resized
        scales = width / image.width, height / image.height
        if self.preprocessing.resize == "stretch":
            return scales
        scale = max(scales) if self.preprocessing.resize == "crop" else min(scales)
        return scale, scale

    def _pad(self, part: Image.Image, size: tuple[int, int]) -> Image.Image:
        """The part in the middle of the mean colour."""
        levels = self.preprocessing.mean_levels
        padded = Image.new(part.mode, size, levels if len(levels) > 1 else levels[0])
        padded.paste(part, ((size[0] - part.width) // 2, (size[1] - part.height) // 2))
        return padded


def as_pixels(image: Image.Image) -> np.ndarray:
    """An image -> (H, W, C) of uint8."""
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def as_image(pixels: np.ndarray) -> Image.Image:
    """(H, W, C) of uint8 -> an image."""
    return Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[:, :, 0])


class Entrance:
    """How a batch enters a network: on its device, as float32, in its memory format."""

    def __init__(self, device: torch.device, *, channels_last: bool = True) -> None:
        self.device = device
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(self, batch: Tensor) -> Tensor:
        """(B, ...) -> (B, ...) of float32."""
        batch = self.move(batch)
        memory_format = self.memory_format if batch.ndim == 4 else torch.contiguous_format
        return batch.to(torch.float32, memory_format=memory_format)

    def move(self, tensor: Tensor) -> Tensor:
        """The tensor on the device. Only batches for CUDA are pinned, and only those may be copied in passing."""
        return tensor.to(self.device, non_blocking=self.device.type == "cuda")


class Normalize(Entrance):
    """How images enter: (value / 255 - mean) / std per channel."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device, *, channels_last: bool = True) -> None:
        super().__init__(device, channels_last=channels_last)
        shape = (1, -1, 1, 1)
        self.scale = 1 / (255 * torch.tensor(preprocessing.std, device=device).view(shape))
        self.offset = -torch.tensor(preprocessing.mean, device=device).view(shape) * 255 * self.scale

    def __call__(self, batch: Tensor) -> Tensor:
        """(B, C, H, W) of uint8 -> (B, C, H, W) of float32."""
        return torch.addcmul(self.offset, super().__call__(batch), self.scale)

    def inverse(self, images: Tensor) -> Tensor:
        """(B, C, H, W) of float32 -> (B, C, H, W) of uint8."""
        return ((images - self.offset) / self.scale).round().clamp(0, 255).to(torch.uint8)
