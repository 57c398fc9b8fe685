"""An augmentation: the noise of a camera in little light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from archspec import Offer, Offers, TransformOptions, hookimpl
from pydantic import Field

if TYPE_CHECKING:
    from archspec.data.preprocessing import Preprocessing
    from PIL.Image import Image


class NoiseOptions(TransformOptions):
    """Options of the noise."""

    deviation: Annotated[float, Field(ge=0, le=1)] = 0.05
    """The most that it has, where white is 1; each image has its own, from 0 up to this."""


@dataclass(frozen=True)
class Noise:
    """Adds normal noise. A class, and no function within a function: loader processes get it by pickle."""

    deviation: float

    def __call__(self, image: Image) -> Image:
        """(height, width) -> the same, in the mode that the image has."""
        import numpy as np
        import torch
        from PIL.Image import fromarray

        pixels = torch.from_numpy(np.array(image)).float()
        deviation = 255 * self.deviation * torch.rand(())  # torch's global generator alone is seeded for each image
        noisy = pixels + deviation * torch.randn(pixels.shape)
        return fromarray(noisy.round().clamp(0, 255).byte().numpy())


def noise(options: NoiseOptions, preprocessing: Preprocessing) -> Callable[[Image], Image]:
    """The transform. `preprocessing` knows the network's size, channels and mean, which this one does not need."""
    return Noise(options.deviation)


@hookimpl
def archspec_transforms() -> Offers:
    return {"$name": Offer(NoiseOptions, noise, "normal noise of a random strength")}
