"""What happens to an image before the network sees it. One definition serves training, `eval` and `predict`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from archspec.errors import DataError
from archspec.offers import Settings
from archspec.spec.arch import InputSpec

Share = Annotated[float, Field(gt=0, le=1)]
Level = Annotated[int, Field(ge=0, le=255)]

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_GREY_MEAN, _GREY_STD = (0.449,), (0.226,)


class Augmentation(Settings):
    """What training does to an image: a random part of it, resized, and perhaps mirrored."""

    scale: tuple[Share, Share] = (0.5, 1.0)
    """The part's area as a share of the image's: least and most. ImageNet's recipes use [0.08, 1]."""
    ratio: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (3 / 4, 4 / 3)
    """The part's width over its height: least and most."""
    flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    """How often it is mirrored left to right. Digits and letters want 0."""

    def reduction(self, size: tuple[int, int]) -> Reduction:
        """How small an image may be made before its parts are cut out for a network of this height and width."""
        return Reduction(size, self.scale[0], self.ratio)

    @model_validator(mode="after")
    def _ordered(self) -> Augmentation:
        for name in ("scale", "ratio"):
            least, most = getattr(self, name)
            if least > most:
                raise ValueError(f"has a `{name}` of [{least}, {most}], whose least is more than its most")
        return self


@dataclass(frozen=True)
class Reduction:
    """How small an image may be made before a random part of it is cut out and resized.

    A part that would have been made smaller is enlarged 1.5 times at most, and one that is enlarged anyway at most 1.5
    times as much. `area` is the least share of the image that is cut out, `ratio` its least and most width / height.
    """

    size: tuple[int, int]
    """Height and width that the network sees."""
    area: float
    ratio: tuple[float, float]
    enlargement: ClassVar[float] = 1.5

    def least(self, width: int, height: int) -> tuple[int, int]:
        """The smallest width and height that an image of this size may be given: all of it, or a smaller copy."""
        area = self.area * width * height
        narrowest, lowest = math.sqrt(area * self.ratio[0]), math.sqrt(area / self.ratio[1])
        share = max(self.size[1] / narrowest, self.size[0] / lowest) / self.enlargement
        if share >= 1:
            return width, height
        return math.ceil(width * share), math.ceil(height * share)

    def denominator(self, width: int, height: int) -> int:
        """By how much a JPEG decoder may divide the sides: the rest stays at least twice the size the network sees."""
        least_width, least_height = self.least(width, height)
        wanted = max(least_width, 2 * self.size[1]), max(least_height, 2 * self.size[0])
        fits = (d for d in (8, 4, 2) if width // d >= wanted[0] and height // d >= wanted[1])
        return next(fits, 1)


@dataclass(frozen=True)
class Reading:
    """How an image becomes pixels: grey (1 channel), RGB (3) or RGBA (4), and what shows through transparency."""

    channels: int
    background: tuple[int, int, int] = (255, 255, 255)
    """Red, green and blue under what is transparent, where the network has no channel for it."""
    reduction: Reduction | None = None
    """How small a JPEG may be decoded; None decodes it in full, as evaluation does."""


class Preprocessing(Settings):
    """What evaluation does: the shorter side resized, the middle cut out, values normalised. Kept in checkpoints."""

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

    @property
    def reading(self) -> Reading:
        """How images become pixels."""
        return Reading(self.channels, self.background)

    @property
    def resize(self) -> tuple[int, int]:
        """Height and width that the image must at least fill before the middle is cut out."""
        height, width = self.size
        return round(height / self.crop), round(width / self.crop)


def preprocessing_for(
    input: InputSpec,
    crop: float,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    background: tuple[int, int, int] = (255, 255, 255),
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
    return Preprocessing(channels=channels, size=input.size, crop=crop, mean=mean, std=std, background=background)
