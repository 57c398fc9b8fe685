"""A batch as the network sees it, in pictures: after augmentation and mixing, with the classes of each image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from archspec.data.augmentation import in_order
from archspec.data.transforms import Normalize, as_image
from archspec.report.sheet import Picture, plain_name
from archspec.spec.dump import data_to_line, to_data
from archspec.training.recipe import Recipe


def class_name(classes: Sequence[str], label: int) -> str:
    """The class, in the font's characters."""
    return plain_name(classes[label], f"class {label}")


def batch_pictures(
    images: Tensor, targets: Tensor, normalize: Normalize, classes: Sequence[str]
) -> tuple[Picture, ...]:
    """Images (B, C, H, W) as they enter the network, and labels (B,) or the classes' shares (B, classes)."""
    if targets.ndim == 1:
        targets = torch.nn.functional.one_hot(targets, len(classes))
    pixels = normalize.inverse(images).permute(0, 2, 3, 1).cpu().numpy()
    shown = zip(pixels, targets.cpu(), strict=True)
    return tuple(Picture(as_image(view), tuple(_shares(classes, share))) for view, share in shown)


def _shares(classes: Sequence[str], shares: Tensor) -> Iterator[str]:
    """The classes of a mixed image and how much it has of each, a line each."""
    for share, label in zip(*(found.tolist() for found in shares.topk(min(2, len(shares)))), strict=True):
        if share > 0:
            yield class_name(classes, label) if share > 0.995 else f"{share:.0%} {class_name(classes, label)}"


def describe_augmentation(recipe: Recipe) -> str:
    """The recipe's augmentation in a line: a preset with its options, or the names of several transforms."""
    augmentation = rounded(to_data(recipe)["augmentation"])
    if isinstance(augmentation, list):  # with their options, several would not fit on a line
        return f"augmentation: {', '.join(options.offer.name for options in in_order(recipe.augmentation))}"
    return data_to_line("augmentation", augmentation)


def describe_mixing(recipe: Recipe) -> str:
    """How the recipe mixes a batch, in a line."""
    names = ("mixup", "cutmix", "mix_probability", "batch_size")
    return ", ".join(f"{name}: {rounded(getattr(recipe, name))}" for name in names)


def rounded(data: Any) -> Any:
    """The data with numbers that are short to read."""
    if isinstance(data, dict):
        return {key: rounded(value) for key, value in data.items()}
    if isinstance(data, list):
        return [rounded(value) for value in data]
    return float(f"{data:.3g}") if isinstance(data, float) else data
