"""Transforms that change pixels where they are: colours, sharpness, and a box that is erased."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from archspec import Offer, Offers, TransformOptions
from archspec.builtin.geometry import Positive, SometimesOptions, Transform, sometimes
from archspec.data.augmentation import Probability, Share, ordered

if TYPE_CHECKING:
    from archspec.data.preprocessing import Preprocessing

Factor = Annotated[float, Field(ge=0, le=1)]
Sigma = Annotated[float, Field(gt=0, le=50)]


class ColorJitterOptions(SometimesOptions):
    """Options of the colour jitter."""

    brightness: Factor = 0.3
    """Multiplied by at least 1 - this, and at most 1 + this."""
    contrast: Factor = 0.3
    """The same, of the distance from the image's mean grey."""
    saturation: Factor = 0.3
    """The same, of the distance from the pixel's grey."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Turned by at most this share of the colour circle."""


def color_jitter(options: ColorJitterOptions, preprocessing: Preprocessing) -> Transform:
    """Brightness, contrast, saturation and hue moved at random, in random order."""
    from torchvision.transforms import v2

    jitter = v2.ColorJitter(options.brightness, options.contrast, options.saturation, options.hue)
    return sometimes(_colours(jitter, preprocessing), options)


class GrayscaleOptions(TransformOptions):
    """Options of the grey image."""

    probability: Probability = 0.1
    """How often it is done."""


def grayscale(options: GrayscaleOptions, preprocessing: Preprocessing) -> Transform:
    """The image without its colours."""
    from torchvision.transforms import v2

    return _colours(v2.RandomGrayscale(options.probability), preprocessing)


class GaussianBlurOptions(SometimesOptions):
    """Options of the blur."""

    sigma: Annotated[tuple[Sigma, Sigma], AfterValidator(ordered)] = (0.1, 2.0)
    """Its width in pixels: least and most. The kernel holds three of them."""


def gaussian_blur(options: GaussianBlurOptions, preprocessing: Preprocessing) -> Transform:
    """The image out of focus."""
    from archspec.data.operations import Blur

    return sometimes(Blur(options.sigma), options)


class HalfOptions(TransformOptions):
    """Options of what is done to half of the images."""

    probability: Probability = 0.5
    """How often it is done."""


class SolarizeOptions(HalfOptions):
    """Options of the solarized image."""

    threshold: Annotated[int, Field(ge=0, le=256)] = 128
    """Levels from here on are turned into their opposite."""


def solarize(options: SolarizeOptions, preprocessing: Preprocessing) -> Transform:
    """The bright parts of the image as a negative."""
    from torchvision.transforms import v2

    return _colours(v2.RandomSolarize(options.threshold, options.probability), preprocessing)


class PosterizeOptions(HalfOptions):
    """Options of the poster."""

    bits: Annotated[int, Field(ge=1, le=8)] = 4
    """Of each channel that are kept."""


def posterize(options: PosterizeOptions, preprocessing: Preprocessing) -> Transform:
    """The image in a few levels."""
    from torchvision.transforms import v2

    return _colours(v2.RandomPosterize(options.bits, options.probability), preprocessing)


class SharpnessOptions(HalfOptions):
    """Options of the sharpness."""

    factor: Annotated[float, Field(ge=0, le=10)] = 2.0
    """0 blurs, 1 is the image itself, 2 sharpens."""


def sharpness(options: SharpnessOptions, preprocessing: Preprocessing) -> Transform:
    """The image sharpened, or blurred."""
    from torchvision.transforms import v2

    return _colours(v2.RandomAdjustSharpness(options.factor, options.probability), preprocessing)


def autocontrast(options: HalfOptions, preprocessing: Preprocessing) -> Transform:
    """Each channel stretched over all levels."""
    from torchvision.transforms import v2

    return _colours(v2.RandomAutocontrast(options.probability), preprocessing)


def equalize(options: HalfOptions, preprocessing: Preprocessing) -> Transform:
    """Each channel's levels spread evenly."""
    from torchvision.transforms import v2

    return _colours(v2.RandomEqualize(options.probability), preprocessing)


def invert(options: HalfOptions, preprocessing: Preprocessing) -> Transform:
    """The image as a negative."""
    from torchvision.transforms import v2

    return _colours(v2.RandomInvert(options.probability), preprocessing)


class RandomErasingOptions(TransformOptions):
    """Options of the erased box."""

    probability: Probability = 0.25
    """How often a box is erased."""
    scale: Annotated[tuple[Share, Share], AfterValidator(ordered)] = (0.02, 0.33)
    """Its area as a share of the image's: least and most."""
    ratio: Annotated[tuple[Positive, Positive], AfterValidator(ordered)] = (0.3, 3.3)
    """Its height over its width: least and most."""
    fill: Literal["mean", "noise"] = "mean"
    """What it shows: the mean colour, or noise of the data's mean and spread."""


def random_erasing(options: RandomErasingOptions, preprocessing: Preprocessing) -> Transform:
    """A box of the image is hidden.  Zhong et al. 2020."""
    from archspec.data.operations import Erasing

    box = {"p": options.probability, "scale": options.scale, "ratio": options.ratio}
    return Erasing(preprocessing, noise=options.fill == "noise", **box)


def _colours(transform: Any, preprocessing: Preprocessing) -> Transform:
    """A transform of colours, which leaves transparency as it is."""
    from archspec.data.operations import KeepAlpha

    kept: Transform = KeepAlpha(transform) if preprocessing.channels == 4 else transform
    return kept


OFFERS: Offers = {
    "color-jitter": Offer(
        ColorJitterOptions, color_jitter, "brightness, contrast, saturation, hue at random (ColorJitter)"
    ),
    "grayscale": Offer(GrayscaleOptions, grayscale, "without colours (RandomGrayscale)"),
    "gaussian-blur": Offer(GaussianBlurOptions, gaussian_blur, "out of focus (GaussianBlur)"),
    "solarize": Offer(SolarizeOptions, solarize, "bright parts as a negative (RandomSolarize)"),
    "posterize": Offer(PosterizeOptions, posterize, "in a few levels (RandomPosterize)"),
    "autocontrast": Offer(HalfOptions, autocontrast, "stretched over all levels (RandomAutocontrast)"),
    "equalize": Offer(HalfOptions, equalize, "levels spread evenly (RandomEqualize)"),
    "invert": Offer(HalfOptions, invert, "as a negative (RandomInvert)"),
    "sharpness": Offer(SharpnessOptions, sharpness, "sharpened or blurred (RandomAdjustSharpness)"),
    "random-erasing": Offer(RandomErasingOptions, random_erasing, "a box hidden (RandomErasing)"),
}
