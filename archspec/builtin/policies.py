"""Transforms that choose among others: the searched and the trivial policies, and a choice of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from archspec import Offer, Offered, Offers, TransformOptions
from archspec.builtin.geometry import SometimesOptions, Transform, WarpOptions, sometimes, warping
from archspec.errors import DataError

if TYPE_CHECKING:
    from archspec.data.preprocessing import Preprocessing

_BINS = 31
"""Magnitudes go from 0 to 30, as in the papers."""


def trivial_augment(options: WarpOptions, preprocessing: Preprocessing) -> Transform:
    """One operation of 14, at a random strength.  Müller and Hutter 2021, the wide space."""
    from torchvision.transforms import v2

    made = v2.TrivialAugmentWide(_BINS, **_policy_warping("trivial-augment", options, preprocessing))
    return sometimes(made, options)


class RandAugmentOptions(WarpOptions):
    """Options of RandAugment."""

    operations: Annotated[int, Field(ge=1, le=14)] = 2
    """So many in a row, each one of 14."""
    magnitude: Annotated[int, Field(ge=0, le=30)] = 9
    """How strong they are."""


def rand_augment(options: RandAugmentOptions, preprocessing: Preprocessing) -> Transform:
    """A few operations of 14, at one strength.  Cubuk et al. 2020."""
    from torchvision.transforms import v2

    warp = _policy_warping("rand-augment", options, preprocessing)
    return sometimes(v2.RandAugment(options.operations, options.magnitude, _BINS, **warp), options)


class AutoAugmentOptions(WarpOptions):
    """Options of AutoAugment."""

    policy: Literal["imagenet", "cifar10", "svhn"] = "imagenet"
    """The data set that it was searched on."""


def auto_augment(options: AutoAugmentOptions, preprocessing: Preprocessing) -> Transform:
    """Two operations, one of 25 pairs that were searched for.  Cubuk et al. 2019."""
    from torchvision.transforms import v2

    warp = _policy_warping("auto-augment", options, preprocessing)
    return sometimes(v2.AutoAugment(v2.AutoAugmentPolicy(options.policy), **warp), options)


class AugMixOptions(SometimesOptions):
    """Options of AugMix."""

    severity: Annotated[int, Field(ge=1, le=10)] = 3
    """How strong the operations are at most."""
    chains: Annotated[int, Field(ge=1, le=10)] = 3
    """So many chains of operations are blended."""
    depth: Annotated[int, Field(ge=1, le=10)] | None = None
    """Operations in a chain. One to three at random, where nothing is said."""
    alpha: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Of the distributions that the shares are drawn from."""


def aug_mix(options: AugMixOptions, preprocessing: Preprocessing) -> Transform:
    """The image blended with chains of operations of 13.  Hendrycks et al. 2020, without its loss."""
    from torchvision.transforms import v2

    _refuse_alpha("aug-mix", preprocessing)
    made = v2.AugMix(options.severity, options.chains, options.depth or -1, options.alpha)
    return sometimes(made, options)


def _none_makes_the_size(parts: tuple[TransformOptions, ...]) -> tuple[TransformOptions, ...]:
    for options in parts:
        if options.makes_size:
            raise ValueError(
                f"holds '{options.offer.name}', which makes the network's size: it cannot be left to chance"
            )
    return parts


class ChoiceOptions(SometimesOptions):
    """Options of the choice."""

    among: Annotated[
        tuple[Annotated[TransformOptions, Offered("transforms")], ...],
        Field(min_length=1),
        AfterValidator(_none_makes_the_size),
    ]
    """The transforms that one is taken from."""


def choice(options: ChoiceOptions, preprocessing: Preprocessing) -> Transform:
    """One of several transforms, each as often as the others."""
    from torchvision.transforms import v2

    made = v2.RandomChoice([part.offer.make(part, preprocessing) for part in options.among])
    return sometimes(made, options)


def _policy_warping(name: str, options: WarpOptions, preprocessing: Preprocessing) -> dict[str, Any]:
    _refuse_alpha(name, preprocessing)
    return warping(options, preprocessing)


def _refuse_alpha(name: str, preprocessing: Preprocessing) -> None:
    """These change colours and move pixels at once, which for transparency is not the same."""
    if preprocessing.channels == 4:
        message = f"the transform '{name}' takes grey or colour images, not images with transparency"
        raise DataError(message, help="set the spec's `input.channels` to 3, or leave the transform out")


OFFERS: Offers = {
    "trivial-augment": Offer(WarpOptions, trivial_augment, "one operation at any strength (TrivialAugmentWide)"),
    "rand-augment": Offer(RandAugmentOptions, rand_augment, "a few operations at one strength (RandAugment)"),
    "auto-augment": Offer(AutoAugmentOptions, auto_augment, "a pair that was searched for (AutoAugment)"),
    "aug-mix": Offer(AugMixOptions, aug_mix, "blended with chains of operations (AugMix)"),
    "choice": Offer(ChoiceOptions, choice, "one of several at random (RandomChoice)"),
}
