"""Data sets that have a name: published ones, by way of torchvision, and scikit-learn's digits; and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from archspec import Offer, Offers, Options, hookimpl

if TYPE_CHECKING:
    from archspec.data import ImageData

Share = Annotated[float, Field(gt=0, lt=0.5)]


class PublishedOptions(Options):
    """Options of every published data set."""

    root: Annotated[str, Field(min_length=1)] | None = None
    """The folder where torchvision finds it, or puts it. Where nothing is said, `datasets` in archspec's cache:
    `$ARCHSPEC_CACHE`, or `archspec` in the user's cache folder."""
    download: bool = True
    """Fetch it from the network where it is not there."""


class TwoSplitsOptions(PublishedOptions):
    """Options of a published data set without a validation split."""

    validation: Share = 0.1
    """The share of each class's training images kept for validation."""


class ImagenetteOptions(PublishedOptions):
    """Options of `imagenette`."""

    size: Literal["160px", "320px", "full"] = "160px"
    """Which of its three editions: how many pixels the shorter side has."""


class DigitsOptions(Options):
    """Options of `digits`."""

    validation: Share = 0.15
    """The share of each digit kept for validation."""
    test: Share = 0.15
    """The share kept for the test split."""


class FakeOptions(Options):
    """Options of `fake`."""

    images: Annotated[int, Field(ge=2, le=100_000_000)] = 1_280
    """Images to train on; validation and test have a tenth of it each, and one of each class at least."""
    classes: Annotated[int, Field(ge=2, le=100_000)] = 10
    """How many, each with a tint of its own."""
    size: Annotated[int, Field(ge=1, le=8_192)] = 224
    """Pixels a side."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of the noise; the recipe's seed does not change it."""


def published(options: PublishedOptions, seed: int) -> ImageData:
    """A data set of torchvision's, in its own splits; a validation split that it lacks is drawn with the seed."""
    from archspec.data.published import open_published

    choices = {"size": options.size} if isinstance(options, ImagenetteOptions) else {}
    validation = options.validation if isinstance(options, TwoSplitsOptions) else None
    return open_published(options.offer.name, options.root, validation, seed, download=options.download, **choices)


def digits(options: DigitsOptions, seed: int) -> ImageData:
    """1,797 handwritten digits of 8x8 px, split with the seed.  Alpaydin and Kaynak 1998."""
    from archspec.data.small import open_digits

    return open_digits(options.validation, options.test, seed)


def fake(options: FakeOptions, seed: int) -> ImageData:
    """Noise, made when it is read; each class has a tint of its own."""
    from archspec.data.small import make_noise

    return make_noise(options.images, options.classes, options.size, options.seed)


@hookimpl
def archspec_datasets() -> Offers:
    return {
        "cifar10": Offer(TwoSplitsOptions, published, "60,000 photos of 32x32 px, 10 classes (Krizhevsky 2009)"),
        "cifar100": Offer(TwoSplitsOptions, published, "60,000 photos of 32x32 px, 100 classes (Krizhevsky 2009)"),
        "mnist": Offer(TwoSplitsOptions, published, "70,000 digits of 28x28 px, grey (LeCun et al. 1998)"),
        "fashion-mnist": Offer(TwoSplitsOptions, published, "70,000 clothes of 28x28 px, grey (Xiao et al. 2017)"),
        "flowers102": Offer(PublishedOptions, published, "8,189 flowers, 102 species (Nilsback and Zisserman 2008)"),
        "food101": Offer(TwoSplitsOptions, published, "101,000 dishes, 101 kinds (Bossard et al. 2014)"),
        "oxford-iiit-pet": Offer(TwoSplitsOptions, published, "7,349 cats and dogs, 37 breeds (Parkhi et al. 2012)"),
        "imagenette": Offer(ImagenetteOptions, published, "13,394 photos, 10 easy classes of ImageNet (Howard 2019)"),
        "digits": Offer(DigitsOptions, digits, "1,797 handwritten digits of 8x8 px, grey (scikit-learn)"),
        "fake": Offer(FakeOptions, fake, "noise with a tint for each class, for benchmarks"),
    }
