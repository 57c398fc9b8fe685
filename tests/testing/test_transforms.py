"""`check_transform`: the built-in transforms pass, and every promise that one can break is found."""

import random

import numpy as np
import pytest
import torch

import archspec
from archspec import Plugins
from archspec.testing import check_transform

PLUGINS = Plugins(installed=False)
SOURCE = """
import random

import numpy as np
from PIL import Image

from archspec import TransformOptions
from archspec.errors import DataError

class Whole(TransformOptions):
    makes_size: ClassVar[bool] = True

class Strength(TransformOptions):
    strength: Annotated[int, Field(ge=0, le=2)] = 0

class Number(TransformOptions):
    text: str

def always(change):
    return lambda options, preprocessing: change

def flipped(image):
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

def grey(image):
    return image.convert("L")

def chance(image):
    return flipped(image) if random.random() < 0.5 else image

def noise(image):
    return image.point([level ^ np.random.randint(256) for level in range(256)] * len(image.getbands()))

def smaller(image):
    return image.resize((5, 4))

class Closure:
    def __reduce__(self):
        raise TypeError("it holds a lock")
    def __call__(self, image):
        return image

def in_place(image):
    image.putpixel((0, 0), 0 if len(image.getbands()) == 1 else (0,) * len(image.getbands()))
    return image

class Counting:
    seen = 0
    def __call__(self, image):
        self.seen += 1
        return image.point(lambda level: (level + self.seen) % 256)

def no_grey(options, preprocessing):
    if preprocessing.channels == 1:
        raise DataError("it takes colour")
    return flipped

def never(options, preprocessing):
    raise DataError("it takes nothing")

def strongest(options, preprocessing):
    return smaller if options.strength == 2 else flipped

class Crop:
    def __init__(self, size):
        self.size = size
    def __call__(self, image):
        return image.resize(self.size)

@hookimpl
def archspec_transforms():
    makes = {
        "good": always(flipped), "no-grey": no_grey,
        "mode": always(grey), "array": always(np.asarray),
        "python": always(chance),
        "numpy": always(noise),
        "pickle": always(Closure()), "in-place": always(in_place), "nothing": lambda options, preprocessing: None,
        "never": never, "smaller": always(smaller), "remembers": lambda o, p: Counting(),
    }
    offers = {name: Offer(TransformOptions, make) for name, make in makes.items()}
    offers["swapped"] = Offer(Whole, lambda options, preprocessing: Crop(preprocessing.size))
    offers["crop"] = Offer(Whole, lambda options, preprocessing: Crop(preprocessing.size[::-1]))
    offers["strongest"] = Offer(Strength, strongest)
    offers["text"] = Offer(Number, lambda options, preprocessing: flipped)
    return offers
"""
FAULTS = {
    "mode": r"it makes an image of the mode L of one of RGB, and must keep it",
    "array": r"it must return an image of Pillow's, not ndarray",
    "python": r"it draws from numpy's or Python's random numbers",
    "numpy": r"it draws from numpy's or Python's random numbers",
    "pickle": r"it cannot be pickled, as loader processes need it: it holds a lock",
    "in-place": r"it changes the image that it is given",
    "nothing": r"`make` must return a callable, not None",
    "never": r"fits nowhere: 72 specs were impossible\. The last one:\n.*it takes nothing",
    "smaller": r"it makes 5x4 px of 40x30, and must keep the size",
    "swapped": r"it makes 15x12 px of \d+x\d+, where the network has 12x15",
    "remembers": r"one seed of torch gives two images",
    "strongest": r"it makes 5x4 px of 40x30, and must keep the size",
}


@pytest.mark.parametrize("name", sorted(PLUGINS.offers("transforms")))
def test_a_built_in_transform_passes(name):
    options = {"among": ["invert", {"type": "rotation", "degrees": 20.0}]} if name == "choice" else None
    check_transform(name, plugins=PLUGINS, options=options)


@pytest.fixture
def plugins(plugins_of):
    return plugins_of(SOURCE)


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_transform_is_found(plugins, name):
    with pytest.raises(AssertionError, match=FAULTS[name]) as caught:
        check_transform(name, plugins=plugins)
    message = str(caught.value)
    assert message.startswith(f"transform '{name}' of plugin_")
    assert f"type: {name}" in message


@pytest.mark.parametrize("name", ["good", "no-grey", "crop"])
def test_a_sound_transform_of_a_plugin_passes_and_can_be_used(plugins, name, tmp_path):
    from archspec.training.documents import load_recipe

    check_transform(name, plugins=plugins)
    (tmp_path / "recipe.yaml").write_text(f"augmentation: [{'' if name == 'crop' else 'standard, '}{name}]\n")
    names = [options.offer.name for options in load_recipe(str(tmp_path / "recipe.yaml"), (), plugins).augmentation]
    assert names[-1] == name


def test_an_option_that_nothing_can_be_tried_of_must_be_held(plugins):
    with pytest.raises(ValueError, match="'text' of Number is required"):
        check_transform("text", plugins=plugins)
    check_transform("text", plugins=plugins, options={"text": "x"})


def test_an_unknown_transform_is_the_callers_error():
    with pytest.raises(archspec.errors.PluginError, match=r"unknown transform 'flipp'; did you mean 'flip'\?"):
        check_transform("flipp", plugins=PLUGINS)


def test_random_numbers_are_as_if_nothing_was_checked():
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    check_transform("strong", plugins=PLUGINS, cases=3)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]
