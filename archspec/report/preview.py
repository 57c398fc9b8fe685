"""What the network will see, as a sheet: images beside their views, or the batches that mixing makes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from archspec.data.index import ImageData, ImageIndex
from archspec.data.loader import Loader
from archspec.data.mixing import Mixing
from archspec.data.preprocessing import Preprocessing
from archspec.data.reading import Reading
from archspec.data.transforms import ByEpoch, EvaluationTransform, Normalize, as_image
from archspec.data.views import choose_positions, training_view
from archspec.report.batch import batch_pictures, class_name, describe_augmentation, describe_mixing
from archspec.report.sheet import Picture, Sheet, plain_name
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
        return class_name(self.data.classes, label)


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
    epoch = preview.epoch - 1
    batches = itertools.islice(loader.epoch(epoch), preview.rows)
    mixed = (mixing(normalize(batch.images), batch.labels, epoch, batch.number) for batch in batches)
    most, classes = preview.views + 2, preview.data.classes
    rows = tuple(batch_pictures(images[:most], labels[:most], normalize, classes) for images, labels in mixed)
    return _sheet(preview, (), rows)


def _sheet(preview: Preview, headings: tuple[str, ...], rows: tuple[tuple[Picture, ...], ...]) -> Sheet:
    height, width = preview.preprocessing.size
    title = f"{preview.data.root.name}, {preview.split}: what the network sees, {width}x{height} px"
    augmentation = describe_augmentation(preview.recipe)
    if headings:
        return Sheet(title, (augmentation,), headings, rows, (width, height), group=2)
    mixing = f"{describe_mixing(preview.recipe)}; a row a batch of epoch {preview.epoch}"
    return Sheet(title, (augmentation, mixing), (), rows, (width, height))
