"""What a recipe says of augmentation: one transform, or several in a row. The transforms are plugins' offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field

from archspec.data.reading import Reduction
from archspec.offers import Offered, Options

if TYPE_CHECKING:
    from archspec.data.preprocessing import Preprocessing

Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Interpolation = Literal["bilinear", "bicubic"]
"""How pixels are computed from those around. Pillow, which does it, averages over all pixels where it reduces."""


class TransformOptions(Options):
    """Options of a transform. A plugin's transform derives its own from this."""

    model_config = ConfigDict(defer_build=True)  # most commands never read any of them

    makes_size: ClassVar[bool] = False
    """Whether what comes out has the network's size, whatever goes in. An augmentation has one such transform."""

    def reduction(self, preprocessing: Preprocessing) -> Reduction | None:
        """How small an image may be made before this transform, which makes the size; None is not at all."""
        return None


Transforms = TransformOptions | tuple[TransformOptions, ...]


def _one_makes_the_size(augmentation: Transforms) -> Transforms:
    names = [f"'{options.offer.name}'" for options in in_order(augmentation) if options.makes_size]
    if not names:
        raise ValueError(
            "has no transform that makes the network's size: begin it with random-resized-crop or a preset"
        )
    if len(names) > 1:
        raise ValueError(f"makes the network's size {len(names)} times, by {' and '.join(names)}: one must do it")
    return augmentation


def in_order(augmentation: Transforms) -> tuple[TransformOptions, ...]:
    """The transforms of an augmentation, the first one first."""
    return augmentation if isinstance(augmentation, tuple) else (augmentation,)


def reduction_before(augmentation: Transforms, preprocessing: Preprocessing) -> Reduction | None:
    """How small an image may be made before an augmentation. Its first transform says, or none: others come before it.

    An operation of so many pixels, as a blur, would do another thing to a smaller image.
    """
    return in_order(augmentation)[0].reduction(preprocessing)


def ordered(pair: tuple[float, float]) -> tuple[float, float]:
    """Refuse a pair whose least is more than its most."""
    least, most = pair
    if least > most:
        raise ValueError(f"is [{least:g}, {most:g}], whose least is more than its most")
    return pair


Augmentation = Annotated[
    Annotated[TransformOptions, Offered("transforms", default="standard")]
    | tuple[Annotated[TransformOptions, Offered("transforms")], ...],
    AfterValidator(_one_makes_the_size),
]
