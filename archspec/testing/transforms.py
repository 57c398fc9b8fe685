"""What a transform promises: an image of the same mode, of the network's size if it says so, that a seed fixes."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from archspec.data.augmentation import TransformOptions
from archspec.data.decode import mode_for
from archspec.data.preprocessing import Preprocessing, preprocessing_for
from archspec.errors import ArchspecError, DocumentError
from archspec.offers import Offer
from archspec.plugins import Plugins
from archspec.spec.arch import InputSpec
from archspec.spec.dump import data_to_yaml
from archspec.spec.reader import Mapping as MapNode
from archspec.spec.reader import read_text
from archspec.spec.settings import read_settings
from archspec.testing.cases import Document, Fault, Impossible
from archspec.testing.choices import Dealer, Values, option_values

Operation = Callable[[Image.Image], Image.Image]

_SIZES = [(16, 16), (15, 12), (9, 20)]
_IMAGES = [(40, 30), (16, 16), (12, 50), (7, 7), (1, 3)]
"""Width and height of the images that go in: larger than the network's size, equal, oblong, and smaller."""
_SEEDS = range(4)


class TransformBench:
    """Where transforms are put: a network's input, images, and the values to try of every option."""

    def __init__(self, offer: Offer[Any], plugins: Plugins, held: Mapping[str, Any], seed: int) -> None:
        self.offer, self.plugins, self.held = offer, plugins, held
        values: Values = {
            "input.channels": [3, 1, 4],
            "input.size": _SIZES,
            **option_values(offer.options, plugins, held),
        }
        self.dealer = Dealer(values, random.Random(seed))

    def deal(self) -> Document:
        """The next case: the network's input, and the transform as a recipe has it."""
        dealt = self.dealer.deal()
        input = {"channels": dealt.pop("input.channels"), "size": list(dealt.pop("input.size"))}
        return {"input": input, "augmentation": [{"type": self.offer.name, **self.held, **dealt}]}

    def prove(self, document: Document) -> None:
        """Hold the transform of a case to its promises.

        Raises:
            Impossible: the transform refuses these options, or this number of channels.
            Fault: it broke a promise.

        """
        size, channels = document["input"]["size"], document["input"]["channels"]
        preprocessing = preprocessing_for(InputSpec(channels=channels, size=tuple(size)), 1.0, None, None)
        options = self._read(document)
        transform, again = (_make(self.offer, options, preprocessing) for _ in range(2))
        try:
            copy = pickle.loads(pickle.dumps(transform))
        except Exception as error:
            raise Fault(f"it cannot be pickled, as loader processes need it: {error}") from error
        for number, seed in enumerate(_SEEDS):
            image = _photo(*_IMAGES[(number + seed) % len(_IMAGES)], channels, seed)
            view = _apply(transform, image, seed)
            _refuse_view(view, image, preprocessing if options.makes_size else None)
            for other in (transform, again, copy):
                if _apply(other, image, seed, disturbed=True).tobytes() != view.tobytes():
                    raise Fault("one seed of torch gives two images: it must depend on that and the image alone")

    def _read(self, document: Document) -> TransformOptions:
        entries = {key: value for key, value in document["augmentation"][0].items() if key != "type"}
        node = read_text(data_to_yaml(entries) if entries else "{}", "recipe.yaml")
        assert isinstance(node, MapNode)
        try:
            options: TransformOptions = read_settings(self.offer.options, node, self.plugins)
        except DocumentError as error:
            raise Impossible(error.message) from None
        options.of(self.offer)
        return options


def _make(offer: Offer[Any], options: TransformOptions, preprocessing: Preprocessing) -> Operation:
    try:
        made: Operation = offer.make(options, preprocessing)
    except ArchspecError as error:
        raise Impossible(error.message) from None
    if not callable(made):
        raise Fault(f"`make` must return a callable, not {made!r}")
    return made


def _apply(transform: Operation, image: Image.Image, seed: int, *, disturbed: bool = False) -> Image.Image:
    """The transformed image; torch's generator is seeded, and the others' states are checked, or differ each time."""
    if disturbed:
        np.random.seed(None)  # what a transform must not draw from
        random.seed()
    before = _states()
    given = image.tobytes()
    torch.default_generator.manual_seed(seed)
    view = transform(image)
    if not isinstance(view, Image.Image):
        raise Fault(f"it must return an image of Pillow's, not {type(view).__name__}")
    if image.tobytes() != given:
        raise Fault("it changes the image that it is given: it must return another one")
    if _states() != before:
        raise Fault("it draws from numpy's or Python's random numbers: torch's are the only ones that are seeded")
    return view


def _states() -> tuple[object, ...]:
    """Of numpy's and Python's generators. numpy's is a block of numbers, and a place in it."""
    numpy = np.random.get_state(legacy=False)
    return numpy["state"]["key"].tobytes(), numpy["state"]["pos"], random.getstate()


def _refuse_view(view: Image.Image, image: Image.Image, preprocessing: Preprocessing | None) -> None:
    """Refuse a view of another mode or size; with `preprocessing`, its size is the network's."""
    if view.mode != image.mode:
        raise Fault(f"it makes an image of the mode {view.mode} of one of {image.mode}, and must keep it")
    size = image.size if preprocessing is None else preprocessing.size[::-1]
    if view.size != size:
        why = "and must keep the size: its options do not say `makes_size`"
        why = why if preprocessing is None else f"where the network has {_pixels(size)}"
        raise Fault(f"it makes {_pixels(view.size)} px of {_pixels(image.size)}, {why}")


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _photo(width: int, height: int, channels: int, seed: int) -> Image.Image:
    """Smooth noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), dtype=np.uint8)
    image = Image.fromarray(coarse if channels > 1 else coarse[..., 0])
    assert image.mode == mode_for(channels), "Pillow and the reader of images must agree on the mode"
    return image.resize((width, height), Image.Resampling.BICUBIC)
