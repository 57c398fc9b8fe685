"""Sample data for `archspec data sample $name FOLDER`: circles and squares."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from archspec import Offer, Offers, Options, hookimpl
from pydantic import Field


class ShapesOptions(Options):
    """Options of the sample data."""

    images: Annotated[int, Field(ge=2, le=100_000)] = 40
    """Of each class to train on; validation and test have half as many."""
    size: Annotated[int, Field(ge=8, le=512)] = 32
    """Pixels a side."""


def shapes(options: ShapesOptions, folder: Path) -> dict[str, int]:
    """Write FOLDER/SPLIT/CLASS/NUMBER.png, the same each time. Returns how many images each split has."""
    import numpy as np
    from PIL import Image, ImageDraw

    generator = np.random.default_rng(0)  # of its own: the global one belongs to whoever calls
    counts = {"train": options.images, "validation": options.images // 2, "test": options.images // 2}
    for split, count in counts.items():
        for shape in ("circle", "square"):
            target = folder / split / shape
            target.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                radius = options.size * generator.uniform(0.15, 0.3)
                x, y = generator.uniform(radius, options.size - radius, 2)
                image = Image.new("RGB", (options.size, options.size), tuple(generator.integers(0, 128, 3).tolist()))
                pen = ImageDraw.Draw(image)
                draw = pen.ellipse if shape == "circle" else pen.rectangle
                draw((x - radius, y - radius, x + radius, y + radius), tuple(generator.integers(128, 256, 3).tolist()))
                image.save(target / f"{number:04d}.png")
    return {split: 2 * count for split, count in counts.items()}


@hookimpl
def archspec_samples() -> Offers:
    return {"$name": Offer(ShapesOptions, shapes, "circles and squares, 2 classes")}
