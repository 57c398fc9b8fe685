"""What the network will see, as a sheet: images beside their views, or the batches that mixing makes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from archspec.data.augmentation import in_order
from archspec.data.index import ImageData, ImageIndex
from archspec.data.loader import Batch, Loader
from archspec.data.mixing import Mixing
from archspec.data.preprocessing import Preprocessing
from archspec.data.reading import Reading
from archspec.data.transforms import ByEpoch, EvaluationTransform, Normalize, as_image
from archspec.data.views import choose_positions, training_view
from archspec.report.sheet import Picture, Sheet, plain_name
from archspec.spec.dump import data_to_line, to_data
from archspec.training.loaders import training_transform, uncached_images
from archspec.training.recipe import Recipe


@dataclass(frozen=True)
class Preview:
    """What is shown: images of one split, as the recipe makes them from an epoch on, which is counted from 1."""

    data: ImageData
    split: str
    recipe: Recipe
    preprocessing: Preprocessing
    epoch: int
    rows: int
    views: int

    @property
    def index(self) -> ImageIndex:
        return self.data.splits[self.split]

    @property
    def positions(self) -> list[int]:
        """The images of the rows, spread over the classes."""
        return choose_positions(self.index.labels, self.rows, self.recipe.seed)

    def class_name(self, label: int) -> str:
        """The class, in the font's characters."""
        return plain_name(self.data.classes[label], f"class {label}")


def views_sheet(preview: Preview) -> Sheet:
    """A row an image: the image itself, what evaluation sees, and what training sees in one epoch after another.

    Raises:
        DataError: an image cannot be read, or a transform does not suit the network's input.

    """
    train = training_transform(preview.recipe, preview.preprocessing, preview.recipe.epochs)
    images = uncached_images(preview.index, preview.recipe, preview.preprocessing)
    epochs = range(preview.epoch, preview.epoch + preview.views)
    rows = tuple(tuple(_row(preview, position, images, train)) for position in preview.positions)
    return _sheet(preview, ("image", "in evaluation", *(f"epoch {epoch}" for epoch in epochs)), rows)


def _row(preview: Preview, position: int, images: tuple[ImageIndex, Reading], train: ByEpoch) -> Iterator[Picture]:
    index = preview.index
    image = index.read(position, preview.preprocessing.reading)
    file = plain_name(Path(index.name(position)).name, f"image {position}")
    yield Picture(image, (preview.class_name(int(index.labels[position])), file))
    yield Picture(EvaluationTransform(preview.preprocessing).view(image))
    for epoch in range(preview.epoch - 1, preview.epoch - 1 + preview.views):
        view = training_view(*images, position, train.at(epoch), seed=preview.recipe.seed, epoch=epoch)
        yield Picture(as_image(view))


def mixed_sheet(preview: Preview) -> Sheet:
    """A row a batch: the first images of an epoch's first batches, mixed as in training.

    Raises:
        DataError: an image cannot be read, or a transform does not suit the network's input.

    """
    recipe, seed = preview.recipe, preview.recipe.seed
    loader = Loader(
        *uncached_images(preview.index, recipe, preview.preprocessing),
        training_transform(recipe, preview.preprocessing, recipe.epochs),
        batch_size=recipe.batch_size,
        seed=seed,
        shuffle=True,
    )
    normalize = Normalize(preview.preprocessing, torch.device("cpu"))
    mixing = Mixing(recipe.mixup, recipe.cutmix, recipe.mix_probability, classes=len(preview.data.classes), seed=seed)
    batches = itertools.islice(loader.epoch(preview.epoch - 1), preview.rows)
    rows = tuple(_mixed_row(preview, batch, normalize, mixing) for batch in batches)
    return _sheet(preview, (), rows)


def _mixed_row(preview: Preview, batch: Batch, normalize: Normalize, mixing: Mixing) -> tuple[Picture, ...]:
    images, labels = mixing(normalize(batch.images), batch.labels, preview.epoch - 1, batch.number)
    if labels.ndim == 1:
        labels = torch.nn.functional.one_hot(labels, len(preview.data.classes))
    pixels = normalize.inverse(images).permute(0, 2, 3, 1).numpy()
    shown = zip(pixels[: preview.views + 2], labels, strict=False)
    return tuple(Picture(as_image(view), tuple(_shares(preview, share))) for view, share in shown)


def _shares(preview: Preview, shares: torch.Tensor) -> Iterator[str]:
    """The classes of a mixed image and how much it has of each, a line each."""
    for share, label in zip(*(found.tolist() for found in shares.topk(min(2, len(shares)))), strict=True):
        if share > 0:
            yield preview.class_name(label) if share > 0.995 else f"{share:.0%} {preview.class_name(label)}"


def _sheet(preview: Preview, headings: tuple[str, ...], rows: tuple[tuple[Picture, ...], ...]) -> Sheet:
    height, width = preview.preprocessing.size
    recipe: dict[str, Any] = _rounded(to_data(preview.recipe))
    title = f"{preview.data.root.name}, {preview.split}: what the network sees, {width}x{height} px"
    augmentation = data_to_line("augmentation", recipe["augmentation"])
    if isinstance(recipe["augmentation"], list):  # with their options, several would not fit on a line
        augmentation = f"augmentation: {', '.join(o.offer.name for o in in_order(preview.recipe.augmentation))}"
    if headings:
        return Sheet(title, (augmentation,), headings, rows, (width, height), group=2)
    mixing = ", ".join(f"{key}: {recipe[key]}" for key in ("mixup", "cutmix", "mix_probability", "batch_size"))
    return Sheet(title, (augmentation, f"{mixing}; a row a batch of epoch {preview.epoch}"), (), rows, (width, height))


def _rounded(data: Any) -> Any:
    """The data with numbers that are short to read."""
    if isinstance(data, dict):
        return {key: _rounded(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_rounded(value) for value in data]
    return float(f"{data:.3g}") if isinstance(data, float) else data
