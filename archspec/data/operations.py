"""Operations on Pillow's images that torchvision's transforms lack, or do otherwise. Torch's generator draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from archspec.data.preprocessing import Preprocessing

Operation = Callable[[Image.Image], Image.Image]


class InOrder:
    """Operations, one after another."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.operations = list(operations)

    def __call__(self, image: Image.Image) -> Image.Image:
        for operation in self.operations:
            image = operation(image)
        return image


class Cover:
    """Resizes an image until it just covers a size (height, width), as torchvision's Resize does for a square."""

    def __init__(self, size: tuple[int, int], interpolation: str) -> None:
        self.size, self.mode = size, v2.InterpolationMode(interpolation)

    def __call__(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        if width * image.height >= height * image.width:
            size = [max(height, width * image.height // image.width), width]
        else:
            size = [height, max(width, height * image.width // image.height)]
        resized: Image.Image = functional.resize(image, size, interpolation=self.mode)
        return resized


class KeepAlpha:
    """Changes the colours of an image and leaves its transparency."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation

    def __call__(self, image: Image.Image) -> Image.Image:
        changed = self.operation(image.convert("RGB"))
        changed.putalpha(image.getchannel("A"))
        return changed


class Blur(v2.GaussianBlur):  # type: ignore[misc]
    """A Gaussian blur whose kernel holds three sigmas, or what the image holds."""

    def __init__(self, sigma: tuple[float, float]) -> None:
        super().__init__(2 * math.ceil(3 * sigma[1]) + 1, sigma)

    def transform(self, inpt: Image.Image, params: dict[str, Any]) -> Any:
        kernel = [min(length, 2 * side - 1) for length, side in zip(self.kernel_size, inpt.size, strict=True)]
        return self._call_kernel(functional.gaussian_blur, inpt, kernel, **params)


class Perspective(v2.RandomPerspective):  # type: ignore[misc]
    """torchvision's RandomPerspective, which leaves an image so small that its four corners fall together."""

    def forward(self, image: Image.Image) -> Any:
        try:
            return super().forward(image)
        except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
            return image


class Erasing(v2.RandomErasing):  # type: ignore[misc]
    """torchvision's RandomErasing of a normalised image, done on its pixels: by the mean colour (0), or by noise."""

    def __init__(self, preprocessing: Preprocessing, *, noise: bool, **options: Any) -> None:
        super().__init__(value="random" if noise else 0, **options)
        self.mean = torch.tensor(preprocessing.mean).view(-1, 1, 1)
        self.std = torch.tensor(preprocessing.std).view(-1, 1, 1)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        params: dict[str, Any] = super().make_params(flat_inputs)
        if params["v"] is not None:
            levels = 255 * (self.mean + self.std * params["v"])
            params["v"] = levels.round().clamp(0, 255).to(torch.uint8)
        return params

    def __call__(self, image: Image.Image) -> Image.Image:
        erased: Image.Image = functional.to_pil_image(super().__call__(functional.pil_to_tensor(image)), image.mode)
        return erased
