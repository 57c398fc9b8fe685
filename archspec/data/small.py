"""Data sets that need no files: scikit-learn's digits, and noise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from archspec.data.decode import convert_image
from archspec.data.index import TEST, TRAIN, VALIDATION, ImageData, ImageIndex
from archspec.data.reading import Reading
from archspec.data.sources import ImageArray, ImageSource
from archspec.data.splits import draw_splits
from archspec.errors import DataError

_FULL = 255 / 16
"""scikit-learn's digits go from 0 to 16."""
_SPREAD = np.array([0.8191725, 0.6710436, 0.5497005])
"""The fractions of its multiples lie evenly in a cube, so that tints differ.  Roberts 2018."""


def open_digits(validation: float, test: float, seed: int) -> ImageData:
    """scikit-learn's handwritten digits, 8x8 px, every split drawn from every digit alike.

    Raises:
        DataError: scikit-learn is not installed.

    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        help = "pip install 'archspec-nn[samples]'"
        raise DataError("the digits come with scikit-learn, which is not installed", help=help) from None
    digits = load_digits()
    pixels = np.rint(digits.images * _FULL).astype(np.uint8)
    root = Path("digits")
    notes: list[str] = []
    index = ImageIndex(ImageArray(root, pixels), digits.target)
    splits = draw_splits(index, validation, test, seed, notes)
    return ImageData("digits", root, tuple("0123456789"), splits, drawn=True, notes=tuple(notes))


def make_noise(images: int, classes: int, size: int, seed: int) -> ImageData:
    """Noise of `size` pixels a side, in which each class has a tint: `images` to train on, a tenth to test."""
    held = max(classes, images // 10)
    counts = {TRAIN: max(classes, images), VALIDATION: held, TEST: held}
    starts, end = {}, 0
    for split, count in counts.items():
        starts[split] = -(-end // classes) * classes  # a number of the first class
        end = starts[split] + count
    source = NoiseImages(end, classes, size, seed)
    numbers = {split: np.arange(start, start + counts[split]) for split, start in starts.items()}
    splits = {split: ImageIndex(source, numbers % classes, numbers) for split, numbers in numbers.items()}
    width = len(str(classes - 1))
    return ImageData("fake", source.root, tuple(f"class-{label:0{width}}" for label in range(classes)), splits)


@dataclass
class NoiseImages(ImageSource):
    """Images that are a function of their number, in RGB: noise over one half of the range, and the class's tint."""

    count: int
    classes: int
    pixels: int
    """A side."""
    seed: int
    root: Path = Path("fake")

    def __len__(self) -> int:
        return self.count

    def name(self, number: int) -> str:
        return f"{self.root}[{number}]"

    def read(self, number: int, reading: Reading) -> Image.Image:
        shape = (self.pixels, self.pixels, 3)
        noise = np.random.default_rng([self.seed, number]).integers(0, 128, shape, dtype=np.uint8)
        tint = 128 * (_SPREAD * (1 + number % self.classes) % 1)
        return convert_image(Image.fromarray(noise + tint.astype(np.uint8)), reading)

    def size(self, number: int) -> tuple[int, int]:
        return self.pixels, self.pixels

    def digest(self, numbers: np.ndarray) -> bytes:
        made_of = f"{self.classes} {self.pixels} {self.seed} ".encode()
        return hashlib.sha256(made_of + numbers.astype("<i8").tobytes()).digest()
