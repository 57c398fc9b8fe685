"""The loaders of a training session: what the recipe says of reading images, carried out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from archspec.data.augmentation import reduction_before
from archspec.data.cached import ShrunkImages, store_for_evaluation, store_for_training
from archspec.data.index import TRAIN, VALIDATION, ImageData, ImageIndex
from archspec.data.loader import Loader
from archspec.data.preprocessing import Preprocessing
from archspec.data.reading import Reading, Reduction
from archspec.data.transforms import ByEpoch, EvaluationTransform, TrainTransform, Transform, as_pixels
from archspec.training.recipe import Recipe


def make_loaders(
    data: ImageData, recipe: Recipe, preprocessing: Preprocessing, *, epochs: int, device: torch.device, workers: int
) -> tuple[Loader, Loader]:
    """The loaders of the training and the validation split, through stores where the recipe wants a cache.

    `epochs` is the length of the run, by whose shares inputs grow.

    Raises:
        DataError: a cache is wanted, and an image's header cannot be read.

    """
    common: dict[str, Any] = {
        "batch_size": recipe.batch_size,
        "seed": recipe.seed,
        "workers": workers,
        "pin_memory": device.type == "cuda",
        "skip_unreadable": recipe.on_corrupt == "skip",
    }
    training, validation = data.splits[TRAIN], data.splits[VALIDATION]
    reading, reduction = training_reading(recipe, preprocessing)
    finish: Transform = EvaluationTransform(preprocessing)
    if recipe.cache != "none":
        how = {"in_memory": recipe.cache == "memory", "skip_unreadable": recipe.on_corrupt == "skip"}
        training = store_for_training(training, reading, reduction, **how)
        validation, finish = store_for_evaluation(validation, preprocessing, **how), as_pixels
    transform = training_transform(recipe, preprocessing, epochs)
    balance = recipe.class_balance == "sampler"
    return (
        Loader(training, reading, transform, shuffle=True, balance=balance, **common),
        Loader(validation, preprocessing.reading, finish, **common),
    )


def training_transform(recipe: Recipe, preprocessing: Preprocessing, epochs: int) -> ByEpoch:
    """What training does to an image, in each part of a run of so many epochs."""
    shorter = min(preprocessing.size)
    parts = []
    for first, shorter_now in recipe.sides(epochs, shorter):
        height, width = (round(side * shorter_now / shorter) for side in preprocessing.size)
        smaller = preprocessing.model_copy(update={"size": (height, width)})
        parts.append((first, TrainTransform(smaller, recipe.augmentation)))
    return ByEpoch(tuple(parts))


def training_reading(recipe: Recipe, preprocessing: Preprocessing) -> tuple[Reading, Reduction | None]:
    """How training reads an image, and how small a cache may keep it."""
    reduction = reduction_before(recipe.augmentation, preprocessing)
    return replace(preprocessing.reading, reduction=reduction if recipe.draft else None), reduction


def uncached_images(index: ImageIndex, recipe: Recipe, preprocessing: Preprocessing) -> tuple[ImageIndex, Reading]:
    """The images as training reads them, to the bit; where the recipe has a cache, none is made."""
    reading, reduction = training_reading(recipe, preprocessing)
    if recipe.cache == "none":
        return index, reading
    return ImageIndex(ShrunkImages(index, reading, reduction), index.labels), reading
