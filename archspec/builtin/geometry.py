"""Transforms that move pixels: crops, mirrors and warps. Those that change colours are in `colours`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from archspec import Offer, Offers, Reduction, TransformOptions
from archspec.data.augmentation import Interpolation, Probability, Share, ordered

if TYPE_CHECKING:
    from PIL.Image import Image

    from archspec.data.preprocessing import Preprocessing

Transform = Callable[["Image"], "Image"]
Positive = Annotated[float, Field(gt=0)]
Degrees = Annotated[float, Field(ge=0, le=180)]


class RandomResizedCropOptions(TransformOptions):
    """Options of the random resized crop."""

    makes_size: ClassVar[bool] = True

    scale: Annotated[tuple[Share, Share], AfterValidator(ordered)] = (0.5, 1.0)
    """The part's area as a share of the image's: least and most. ImageNet's recipes use [0.08, 1]."""
    ratio: Annotated[tuple[Positive, Positive], AfterValidator(ordered)] = (3 / 4, 4 / 3)
    """The part's width over its height: least and most."""
    interpolation: Interpolation | None = None
    """The recipe's, where nothing is said."""

    def reduction(self, preprocessing: Preprocessing) -> Reduction:
        return Reduction(preprocessing.size, self.scale[0], self.ratio)


def random_resized_crop(options: RandomResizedCropOptions, preprocessing: Preprocessing) -> Transform:
    """A random part of the image at the network's size.  Szegedy et al. 2015."""
    from torchvision.transforms import v2

    mode = v2.InterpolationMode(options.interpolation or preprocessing.interpolation)
    return _of(v2.RandomResizedCrop(preprocessing.size, options.scale, options.ratio, interpolation=mode))


class RandomCropOptions(TransformOptions):
    """Options of the random crop."""

    makes_size: ClassVar[bool] = True

    padding: Annotated[int, Field(ge=0, le=1_000)] = 4
    """Pixels that are put around the image first."""
    border: Literal["black", "mean", "reflect"] = "black"
    """What they show: black, the mean colour, or the image mirrored."""
    interpolation: Interpolation | None = None
    """Of the resize, for images of another size. The recipe's, where nothing is said."""

    def reduction(self, preprocessing: Preprocessing) -> Reduction:
        return Reduction(preprocessing.size)


def random_crop(options: RandomCropOptions, preprocessing: Preprocessing) -> Transform:
    """The image resized until it covers the size, padded, and cut at a random place.  He et al. 2015, section 4.2."""
    from torchvision.transforms import v2

    from archspec.data.operations import Cover, InOrder

    border: dict[str, Any] = {"padding_mode": "reflect"} if options.border == "reflect" else {}
    if options.border == "mean":
        border["fill"] = preprocessing.mean_levels
    cover = Cover(preprocessing.size, options.interpolation or preprocessing.interpolation)
    return InOrder([cover, v2.RandomCrop(preprocessing.size, padding=options.padding or None, **border)])


class FlipOptions(TransformOptions):
    """Options of the mirrors."""

    probability: Probability = 0.5
    """How often the image is mirrored."""


def flip(options: FlipOptions, preprocessing: Preprocessing) -> Transform:
    """The image mirrored left to right."""
    from torchvision.transforms import v2

    return _of(v2.RandomHorizontalFlip(options.probability))


def vertical_flip(options: FlipOptions, preprocessing: Preprocessing) -> Transform:
    """The image mirrored top to bottom."""
    from torchvision.transforms import v2

    return _of(v2.RandomVerticalFlip(options.probability))


class SometimesOptions(TransformOptions):
    """Options of a transform that may be left out at random."""

    probability: Probability = 1.0
    """How often it is done at all."""


class WarpOptions(SometimesOptions):
    """Options of what turns or warps the image, and leaves corners empty."""

    interpolation: Literal["nearest", "bilinear", "bicubic"] | None = None
    """The recipe's, where nothing is said."""
    fill: Literal["black", "mean"] = "black"
    """What the empty corners show: black, or the mean colour."""


class RotationOptions(WarpOptions):
    """Options of the rotation."""

    degrees: Degrees = 15.0
    """At most so many, to either side."""


def rotation(options: RotationOptions, preprocessing: Preprocessing) -> Transform:
    """The image turned around its middle."""
    from torchvision.transforms import v2

    return sometimes(v2.RandomRotation(options.degrees, **warping(options, preprocessing)), options)


class AffineOptions(WarpOptions):
    """Options of the affine map."""

    degrees: Degrees = 10.0
    """Turned by at most so many, to either side."""
    translate: tuple[Probability, Probability] = (0.1, 0.1)
    """Moved by at most this share of the width, and of the height."""
    scale: Annotated[tuple[Positive, Positive], AfterValidator(ordered)] = (0.9, 1.1)
    """Enlarged by this factor: least and most."""
    shear: Annotated[float, Field(ge=0, lt=90)] = 0.0
    """Slanted by at most so many degrees, to either side."""


def affine(options: AffineOptions, preprocessing: Preprocessing) -> Transform:
    """The image turned, moved, enlarged and slanted at once."""
    from torchvision.transforms import v2

    warp = warping(options, preprocessing)
    parts = {"translate": options.translate, "scale": options.scale, "shear": options.shear or None}
    return sometimes(v2.RandomAffine(options.degrees, **parts, **warp), options)


class PerspectiveOptions(WarpOptions):
    """Options of the perspective."""

    probability: Probability = 0.5
    """How often it is done at all."""
    distortion: Probability = 0.5
    """How far the corners move inwards: 0 is not at all, 1 is up to the middle."""


def perspective(options: PerspectiveOptions, preprocessing: Preprocessing) -> Transform:
    """The image as if it were seen from another side."""
    from archspec.data.operations import Perspective

    warp = warping(options, preprocessing)
    return _of(Perspective(options.distortion, options.probability, **warp))


def none(options: TransformOptions, preprocessing: Preprocessing) -> Transform:
    """What evaluation does."""
    from archspec.data.transforms import EvaluationTransform

    return EvaluationTransform(preprocessing).view


class NoneOptions(TransformOptions):
    """Options of `none`, which has none."""

    makes_size: ClassVar[bool] = True

    def reduction(self, preprocessing: Preprocessing) -> Reduction:
        return Reduction(preprocessing.resized)


def warping(options: WarpOptions, preprocessing: Preprocessing) -> dict[str, Any]:
    """Interpolation and fill, as torchvision's transforms take them."""
    from torchvision.transforms import v2

    mode = v2.InterpolationMode(options.interpolation or preprocessing.interpolation)
    return {"interpolation": mode, "fill": preprocessing.mean_levels if options.fill == "mean" else 0}


def sometimes(transform: Any, options: SometimesOptions) -> Transform:
    """A transform that is done as often as the options say."""
    from torchvision.transforms import v2

    return _of(transform if options.probability == 1 else v2.RandomApply([transform], options.probability))


def _of(transform: Any) -> Transform:
    """What torchvision calls Any."""
    made: Transform = transform
    return made


OFFERS: Offers = {
    "random-resized-crop": Offer(
        RandomResizedCropOptions, random_resized_crop, "a random part at the network's size (RandomResizedCrop)"
    ),
    "random-crop": Offer(
        RandomCropOptions, random_crop, "resized to cover the size, padded, cut at random (Resize, RandomCrop)"
    ),
    "none": Offer(NoneOptions, none, "preset: what evaluation does, and nothing random"),
    "flip": Offer(FlipOptions, flip, "mirrored left to right (RandomHorizontalFlip)"),
    "vertical-flip": Offer(FlipOptions, vertical_flip, "mirrored top to bottom (RandomVerticalFlip)"),
    "rotation": Offer(RotationOptions, rotation, "turned around the middle (RandomRotation)"),
    "affine": Offer(AffineOptions, affine, "turned, moved, enlarged and slanted (RandomAffine)"),
    "perspective": Offer(PerspectiveOptions, perspective, "seen from another side (RandomPerspective)"),
}
