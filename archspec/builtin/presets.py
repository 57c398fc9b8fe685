"""Presets: what is done to the training images, as one transform with the knobs that are turned most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field

from archspec import Offer, Offers, Reduction, TransformOptions
from archspec.builtin.colours import (
    ColorJitterOptions,
    GaussianBlurOptions,
    GrayscaleOptions,
    RandomErasingOptions,
    SolarizeOptions,
    color_jitter,
    gaussian_blur,
    grayscale,
    random_erasing,
    solarize,
)
from archspec.builtin.geometry import (
    FlipOptions,
    Positive,
    RandomResizedCropOptions,
    Transform,
    WarpOptions,
    flip,
    random_resized_crop,
)
from archspec.builtin.policies import trivial_augment
from archspec.data.augmentation import Probability, Share, ordered

if TYPE_CHECKING:
    from archspec.data.preprocessing import Preprocessing


class PresetOptions(TransformOptions):
    """Options of every preset."""

    makes_size: ClassVar[bool] = True

    scale: Annotated[tuple[Share, Share], AfterValidator(ordered)]
    """The random part's area as a share of the image's: least and most."""
    ratio: Annotated[tuple[Positive, Positive], AfterValidator(ordered)] = (3 / 4, 4 / 3)
    """Its width over its height: least and most."""
    flip: Probability = 0.5
    """How often it is mirrored left to right. Digits and letters want 0."""

    def reduction(self, preprocessing: Preprocessing) -> Reduction:
        return Reduction(preprocessing.size, self.scale[0], self.ratio)


class LightOptions(PresetOptions):
    """Options of `light`."""

    scale: Annotated[tuple[Share, Share], AfterValidator(ordered)] = (0.6, 1.0)
    """The random part's area as a share of the image's: least and most."""


class StandardOptions(PresetOptions):
    """Options of `standard`."""

    scale: Annotated[tuple[Share, Share], AfterValidator(ordered)] = (0.5, 1.0)
    """The random part's area as a share of the image's: least and most. ImageNet's recipes use [0.08, 1]."""


class StrongOptions(PresetOptions):
    """Options of `strong`."""

    scale: Annotated[tuple[Share, Share], AfterValidator(ordered)] = (0.08, 1.0)
    """The random part's area as a share of the image's: least and most."""
    erasing: Probability = 0.1
    """How often a box is erased."""


class ThreeAugmentOptions(PresetOptions):
    """Options of `three-augment`."""

    scale: Annotated[tuple[Share, Share], AfterValidator(ordered)] = (0.08, 1.0)
    """The random part's area as a share of the image's: least and most."""
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.3
    """How far brightness, contrast and saturation move."""


def standard(options: PresetOptions, preprocessing: Preprocessing) -> Transform:
    """random-resized-crop, flip.  Szegedy et al. 2015."""
    from archspec.data.operations import InOrder

    crop = RandomResizedCropOptions(scale=options.scale, ratio=options.ratio)
    mirror = FlipOptions(probability=options.flip)
    return InOrder([random_resized_crop(crop, preprocessing), flip(mirror, preprocessing)])


def strong(options: StrongOptions, preprocessing: Preprocessing) -> Transform:
    """random-resized-crop, flip, trivial-augment, random-erasing.  Vryniotis 2021, torchvision's recipe."""
    from archspec.data.operations import InOrder

    policy = trivial_augment(WarpOptions(), preprocessing)
    erasing = random_erasing(RandomErasingOptions(probability=options.erasing), preprocessing)
    return InOrder([standard(options, preprocessing), policy, erasing])


def three_augment(options: ThreeAugmentOptions, preprocessing: Preprocessing) -> Transform:
    """random-resized-crop, flip, one of grayscale, solarize and gaussian-blur, color-jitter.  Touvron et al. 2022."""
    from torchvision.transforms import v2

    from archspec.data.operations import InOrder

    one = v2.RandomChoice(
        [
            grayscale(GrayscaleOptions(probability=1.0), preprocessing),
            solarize(SolarizeOptions(probability=1.0), preprocessing),
            gaussian_blur(GaussianBlurOptions(), preprocessing),
        ]
    )
    amount = options.jitter
    jitter = ColorJitterOptions(brightness=amount, contrast=amount, saturation=amount)
    return InOrder([standard(options, preprocessing), one, color_jitter(jitter, preprocessing)])


OFFERS: Offers = {
    "light": Offer(LightOptions, standard, "preset: most of the image, mirrored or not"),
    "standard": Offer(StandardOptions, standard, "preset: a part of the image, mirrored or not"),
    "strong": Offer(StrongOptions, strong, "preset: any part, mirrored, one operation of 14, a box erased"),
    "three-augment": Offer(ThreeAugmentOptions, three_augment, "preset: grey, solarized or blurred, and colours"),
}
