"""How a run looks at images while it keeps features, and whether and where it pays to keep them."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from typing import Literal

import torch

from archspec.data.arrays import cache_folder
from archspec.data.index import TRAIN, VALIDATION
from archspec.errors import RunError
from archspec.finetuning.freezing import Freezing
from archspec.paths import existing_folder
from archspec.training.machine import free_memory
from archspec.training.recipe import Recipe
from archspec.training.solving import solves_head

Place = Literal["none", "memory", "disk"]

_OF_MEMORY, _OF_DISK = 0.25, 0.5
"""The share of what is free that features may take where the recipe leaves it to `auto`."""


@dataclass(frozen=True)
class Views:
    """How training images are looked at while features are kept: an epoch has one view, and the views take turns."""

    draws: int
    """How many epochs' augmentation is used, over and over; 0 is the middle of the image alone."""
    mirror: bool
    all_first: bool = False
    """Whether the first epoch looks at all views at once."""

    @property
    def flips(self) -> int:
        return 1 + self.mirror

    def at(self, epoch: int) -> tuple[int | None, int]:
        """Whose epoch's augmentation, and whether mirrored (1) or not (0)."""
        draw, flip = divmod(epoch % (max(1, self.draws) * self.flips), self.flips)
        return (draw if self.draws else None), flip

    def draws_of(self, epoch: int) -> tuple[int | None, ...]:
        """Whose epochs' augmentation an epoch needs."""
        return tuple(range(self.draws)) or (None,) if self.all_first and epoch == 0 else (self.at(epoch)[0],)


def views_of(recipe: Recipe, freezing: Freezing) -> Views:
    """Raises RunError where the head is to be solved, and more than it trains at first."""
    return Views(recipe.views, recipe.mirror, all_first=solves_head(recipe, freezing))


@dataclass(frozen=True)
class Room:
    """What features would take, and what they would spare."""

    bytes: int
    passes: int
    """How often the training images would go through the prefix."""
    epochs: int
    """How often they would without."""


def room_for(freezing: Freezing, views: Views, images: tuple[int, int], *, half: bool) -> Room:
    """The room that all features of a run take, of so many training and validation images."""
    passes, numbers = set(), {}
    epochs = [epoch for epoch in range(freezing.phases[-1].stop) if freezing.cut(epoch) is not None]
    for epoch in epochs:
        cut, size = freezing.cut(epoch), math.prod(freezing.phase(epoch).prefix.output)
        for draw in views.draws_of(epoch):
            passes.add(draw)
            numbers[TRAIN, cut, draw] = size * images[0] * views.flips
        numbers[VALIDATION, cut, None] = size * images[1]
    return Room(sum(numbers.values()) * (2 if half else 4), len(passes), len(epochs))


def choose_place(recipe: Recipe, room: Room, memory_free: int | None, *, solved: bool) -> tuple[Place, str | None]:
    """Where features are kept, and why they are not, if they are not. `solved` is whether they solve the head, too.

    Raises:
        RunError: the recipe wants features kept that it cannot use.

    """
    wanted = recipe.features
    reasons = {
        "the recipe mixes images": recipe.mixup > 0 or recipe.cutmix > 0,
        "its views change their size": bool(recipe.sizes) and recipe.views > 0,
        "nothing is frozen from the input on": room.epochs == 0,
    }
    reason = next((reason for reason, holds in reasons.items() if holds), None)
    if wanted == "none":
        return "none", None
    if reason is not None:
        if wanted != "auto":
            raise RunError(f"features cannot be kept: {reason}", help="leave `recipe.features` at none or auto")
        return "none", f"features are not kept: {reason}"
    if wanted != "auto":
        return wanted, None
    if room.passes >= room.epochs and not solved:
        return "none", "features are not kept: each of its views would be used once"
    if memory_free is not None and room.bytes <= _OF_MEMORY * memory_free:
        return "memory", None
    if room.bytes <= _OF_DISK * shutil.disk_usage(existing_folder(cache_folder())).free:
        return "disk", None
    return "none", f"features are not kept: they would take {room.bytes / 1e9:,.1f} GB"


def place_features(recipe: Recipe, freezing: Freezing, images: tuple[int, int]) -> tuple[Place, str | None]:
    """Where a run keeps features of its training and validation images, and why it does not.

    Raises:
        RunError: the recipe wants features kept, or a head solved on them, that cannot be.

    """
    views = views_of(recipe, freezing)
    room = room_for(freezing, views, images, half=recipe.half_features)
    place, reason = choose_place(recipe, room, free_memory(torch.device("cpu")), solved=views.all_first)
    if recipe.head == "lbfgs" and place == "none":
        message = f"`head: lbfgs` solves on kept features, and {reason or 'the recipe keeps none'}"
        raise RunError(message, help="recipe.features=auto keeps them where it can; recipe.head=auto goes on without")
    return place, reason
