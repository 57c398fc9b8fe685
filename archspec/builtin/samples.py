"""Small real data sets that a package on PyPI carries, written as folders of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from archspec import Offer, Offers, Options, hookimpl
from archspec.errors import DataError


class DigitsOptions(Options):
    """Options of the digits."""

    size: Annotated[int, Field(ge=8, le=512)] = 32
    """Pixels a side; the originals have 8, and are enlarged smoothly."""


def digits(options: DigitsOptions, folder: Path) -> dict[str, int]:
    """Write scikit-learn's 1,797 handwritten digits (Alpaydin and Kaynak 1998) as train, validation and test folders.

    Returns how many images each split has.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        help = "pip install 'archspec-nn[samples]'"
        raise DataError("the digits come with scikit-learn, which is not installed", help=help) from None
    from PIL import Image

    from archspec.data.index import TEST, TRAIN, VALIDATION, stratified

    source = load_digits()
    parts = dict(zip((VALIDATION, TEST, TRAIN), stratified(source.target, (0.15, 0.15), seed=0), strict=True))
    for split, positions in parts.items():
        for position in positions:
            grey = Image.fromarray((source.images[position] * 15.9375).astype("uint8"))  # 0 to 16 -> 0 to 255
            target = folder / split / str(source.target[position])
            target.mkdir(parents=True, exist_ok=True)
            enlarged = grey.resize((options.size, options.size), Image.Resampling.BICUBIC)
            enlarged.save(target / f"{position:04d}.png")
    return {split: len(parts[split]) for split in (TRAIN, VALIDATION, TEST)}


@hookimpl
def archspec_samples() -> Offers:
    return {"digits": Offer(DigitsOptions, digits, "1,797 handwritten digits, 10 classes (scikit-learn)")}
