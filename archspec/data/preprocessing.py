"""What happens to an image before the network sees it. One definition serves training, `eval` and `predict`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archspec.data.augmentation import Interpolation, Share
from archspec.data.reading import Reading
from archspec.errors import DataError
from archspec.offers import Settings
from archspec.spec.arch import InputSpec

Level = Annotated[int, Field(ge=0, le=255)]
Resize = Literal["crop", "stretch", "pad"]

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_GREY_MEAN, _GREY_STD = (0.449,), (0.226,)


class Preprocessing(Settings):
    """What evaluation does: the image resized, the middle cut out, values normalised. Kept in checkpoints."""

    channels: int
    size: tuple[int, int]
    """Height and width that the network sees."""
    crop: Share
    """The share of the resized image's side that is kept."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Of each channel, for values from 0 to 1."""
    background: tuple[Level, Level, Level] = (255, 255, 255)
    """Red, green and blue under what is transparent, where the network has no channel for it."""
    resize: Resize = "crop"
    """How an image of other proportions is resized: `crop` until it covers the size, so that the longer side loses its
    ends; `stretch` to the size, so that proportions change; `pad` until it lies within, on the mean colour."""
    interpolation: Interpolation = "bilinear"
    """How the pixels of the resized image are computed."""
    antialias: Literal[True] = True
    """A fact for who computes the same elsewhere: where an image is reduced, all its pixels are averaged over."""

    @property
    def reading(self) -> Reading:
        """How images become pixels."""
        return Reading(self.channels, self.background)

    @property
    def mean_levels(self) -> tuple[int, ...]:
        """The mean colour as levels from 0 to 255: what is 0 once it is normalised."""
        return tuple(round(255 * min(max(mean, 0), 1)) for mean in self.mean)

    @property
    def resized(self) -> tuple[int, int]:
        """Height and width that the image is resized to, before the middle is cut out."""
        height, width = self.size
        return round(height / self.crop), round(width / self.crop)


def preprocessing_for(
    input: InputSpec,
    crop: float,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    background: tuple[int, int, int] = (255, 255, 255),
    *,
    resize: Resize = "crop",
    interpolation: Interpolation = "bilinear",
) -> Preprocessing:
    """The preprocessing of a network's input; without `mean` and `std`, ImageNet's.

    Raises:
        DataError: `mean` or `std` has another number of channels than the input.

    """
    channels = input.channels
    usual = {1: (_GREY_MEAN, _GREY_STD), 3: (_IMAGENET_MEAN, _IMAGENET_STD)}
    usual_mean, usual_std = usual.get(channels, ((0.5,) * channels, (0.25,) * channels))
    mean, std = mean or usual_mean, std or usual_std
    for name, values in (("mean", mean), ("std", std)):
        if len(values) != channels:
            message = f"the recipe's `{name}` has {len(values)} values, and the network's input {channels} channels"
            raise DataError(message, help=f"give it {channels}, as in --set recipe.{name}={[0.5] * channels}")
    return Preprocessing(
        channels=channels,
        size=input.size,
        crop=crop,
        mean=mean,
        std=std,
        background=background,
        resize=resize,
        interpolation=interpolation,
    )
