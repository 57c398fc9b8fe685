"""Which features of a frozen prefix a run needs in which epoch, and the passes that make them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from archspec.data.index import TRAIN, VALIDATION
from archspec.data.loader import Loader
from archspec.data.preprocessing import Preprocessing
from archspec.data.reading import Reduction
from archspec.data.transforms import Entrance, EvaluationTransform
from archspec.finetuning.features import Keeper, KeptLoader, Part, Runner
from archspec.finetuning.freezing import Freezing
from archspec.finetuning.parts import fold_prefix
from archspec.network.compile import Network
from archspec.spec.dump import to_data
from archspec.training.evaluation import autocast
from archspec.training.placing import Views, views_of
from archspec.training.recipe import Recipe
from archspec.training.results import FeatureResult

if TYPE_CHECKING:
    from archspec.training.loop import Trainer

Key = tuple[str, str, int | None]
"""A split, a cut, and whose epoch's augmentation; None is the middle of the image, as evaluation sees it."""

_BATCH = 64
"""Images that go through the prefix at once, whatever the run's own batches are."""


class Features:
    """The features of a run, which are computed when an epoch first needs them."""

    def __init__(
        self,
        freezing: Freezing,
        views: Views,
        keeper: Keeper,
        readers: dict[str, Loader],
        settings: dict[str, Any],
        *,
        ordered: tuple[Loader, Loader],
        enter: Entrance,
    ) -> None:
        self.freezing, self.views, self.keeper = freezing, views, keeper
        self.readers = readers
        """What reads the images in their order: `plain` and `augmented` training images, and `validation`."""
        self.settings = settings
        self.train_loader, self.validation_loader = ordered
        self.pixels = enter
        self.enter = Entrance(enter.device, channels_last=enter.memory_format is torch.channels_last)

    def keys(self, epoch: int) -> tuple[Key, ...]:
        """What an epoch needs, of the training and of the validation images."""
        cut = self.freezing.cut(epoch)
        if cut is None:
            return ()
        return (*((TRAIN, cut, draw) for draw in self.views.draws_of(epoch)), (VALIDATION, cut, None))

    def look(self, epoch: int, positions: Tensor) -> Tensor:
        """What an epoch sees of the images at these positions: (B, C, H, W) of uint8."""
        draw, flip = self.views.at(epoch)
        images = self.readers["plain" if draw is None else "augmented"].take(positions, draw or 0).images
        return images.flip(3) if flip else images

    def loaders(self, epoch: int, cut: str) -> tuple[KeptLoader, KeptLoader] | None:
        """The loaders of an epoch, whose features were computed; None where they were not."""
        draw, flip = self.views.at(epoch)
        train, validation = self.keeper.find((TRAIN, cut, draw)), self.keeper.find((VALIDATION, cut, None))
        if train is None or validation is None:
            return None
        return KeptLoader(self.train_loader, train, flip), KeptLoader(self.validation_loader, validation)

    def matrix(self, split: str, cut: str) -> tuple[Tensor, Tensor]:
        """All views of a split's images in a row, and their labels: features (N, C) and (N,)."""
        loader = self.train_loader if split == TRAIN else self.validation_loader
        draws = self.views.draws_of(0) if split == TRAIN else (None,)
        found = [self.keeper.find((split, cut, draw)) for draw in draws]
        labels, rows = torch.from_numpy(loader.index.labels), []
        for kept in found:
            assert kept is not None, "they were computed"
            rows += [(features[kept.readable].float(), labels[kept.readable]) for features in kept.features]
        features, truths = zip(*rows, strict=True)
        return self.enter.move(torch.cat(features)), self.enter.move(torch.cat(truths))

    def images_passed(self) -> dict[int, int]:
        """How many images go through the prefix before each epoch, where nothing is kept yet; 0 is left out."""
        made: set[Key] = set()
        passed: Counter[int] = Counter()
        for epoch in range(self.freezing.phases[-1].stop):
            for key in self.keys(epoch):
                if key not in made:
                    made |= {later for later in self._later(epoch) if (later[0], later[2]) == (key[0], key[2])}
                    training = key[0] == TRAIN
                    loader = self.train_loader if training else self.validation_loader
                    passed[epoch] += len(loader.index) * (self.views.flips if training else 1)
        return dict(passed)

    def fill(self, trainer: Trainer, epoch: int) -> Iterator[FeatureResult]:
        """Compute what an epoch needs and is not there, and with it what later ones will need of the same pixels."""
        if epoch == self.freezing.phase(epoch).start:
            last = self.freezing.phases[-1].stop
            self.keeper.forget({key for later in range(epoch, last) for key in self.keys(later)})
        for key in self.keys(epoch):
            if self.keeper.find(key) is None:
                yield from self._pass(trainer, epoch, key)

    def _pass(self, trainer: Trainer, epoch: int, key: Key) -> Iterator[FeatureResult]:
        split, _, draw = key
        reader = self.readers[VALIDATION if split == VALIDATION else "plain" if draw is None else "augmented"]
        flips = self.views.flips if split == TRAIN else 1
        parts = self._parts(trainer.network, epoch, split, draw, trainer.normalize.memory_format)
        runner = Runner(self.pixels, partial(autocast, self.pixels.device, trainer.dtype))
        settings = [self.settings, split, draw, flips, str(trainer.dtype)]
        for done in self.keeper.fill(reader, draw or 0, parts, settings, flips, runner):
            yield FeatureResult(epoch + 1, done, len(reader.index))
        ordered = self.train_loader if split == TRAIN else self.validation_loader
        ordered.skipped.update(reader.skipped)
        reader.close()

    def _parts(self, network: Network, epoch: int, split: str, draw: int | None, memory_format: Any) -> dict[Key, Part]:
        """The parts that one pass goes through: cuts that this epoch and later ones need, from the input on."""
        wanted = {key[1]: key for key in self._later(epoch) if key[0] == split and key[2] == draw}
        plan, parts, start = network.plan, {}, None
        for cut in sorted(wanted, key=plan.cut):
            if self.keeper.find(wanted[cut]) is None:
                module = fold_prefix(network, cut, memory_format, start)
                shape = plan.shape(plan.passing(plan.cut(cut))[0])
                parts[wanted[cut]] = Part(module, shape, _identity(network, plan.cut(cut)))
                start = cut
        return parts

    def _later(self, epoch: int) -> Iterator[Key]:
        """The keys of this epoch, and of those later ones whose prefix stays frozen until then."""
        least = self.freezing.phase(epoch).prefix.steps
        for later in range(epoch, self.freezing.phases[-1].stop):
            steps = self.freezing.phase(later).prefix.steps
            if steps <= least:
                yield from self.keys(later)
            least = min(least, steps)


def features_of(
    recipe: Recipe,
    preprocessing: Preprocessing,
    freezing: Freezing,
    loaders: tuple[Loader, Loader],
    enter: Entrance,
    place: Literal["memory", "disk"],
) -> Features:
    """The features of a run, beside its loaders of the training and the validation split."""
    reading = replace(preprocessing.reading, reduction=Reduction(preprocessing.resized) if recipe.draft else None)
    finish = EvaluationTransform(preprocessing)
    train, validation = loaders
    common: dict[str, Any] = {
        "batch_size": _BATCH,
        "seed": recipe.seed,
        "workers": train.workers,
        "pin_memory": enter.device.type == "cuda",
        "skip_unreadable": train.skip_unreadable,
    }
    readers = {
        "plain": Loader(train.index, reading, finish, **common),
        "augmented": train.in_order(**common),
        VALIDATION: validation.in_order(**common),
    }
    keys = ("seed", "augmentation", "draft", "channels_last", "cache")
    written = {key: value for key, value in to_data(recipe).items() if key in keys}
    settings: dict[str, Any] = {"recipe": written, "preprocessing": preprocessing.model_dump(mode="json")}
    settings |= {"device": enter.device.type, "threads": torch.get_num_threads()}
    views, keeper = views_of(recipe, freezing), Keeper(place, recipe.half_features)
    return Features(freezing, views, keeper, readers, settings, ordered=loaders, enter=enter)


def _identity(network: Network, steps: int) -> bytes:
    """SHA-256 of the first steps of the plan and of their tensors."""
    digest = hashlib.sha256(repr((network.plan.input, network.plan.steps[:steps])).encode())
    state = network.state_dict()
    for step in network.plan.steps[:steps]:
        for name in (*step.operation.parameters(), *step.operation.buffers()):
            digest.update(state[f"{step.name}.{name}"].detach().cpu().contiguous().reshape(-1).numpy().tobytes())
    return digest.digest()
