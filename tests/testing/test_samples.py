"""Every promise that sample data can break is one that `check_sample` finds; the built-in digits keep them all."""

import pytest

from archspec import Plugins
from archspec.errors import DataError
from archspec.testing import check_sample

SOUND = """
import random
from pathlib import Path

import numpy as np
from PIL import Image

from archspec.errors import DataError

COUNTS = {"train": 6, "validation": 4, "test": 4}

class ShadeOptions(Options):
    size: Annotated[int, Field(ge=1)] = 8

def sound(options, folder, shift=0, counts=COUNTS):
    for split, count in counts.items():
        for number in range(count):
            target = folder / split / "ab"[number % 2]
            target.mkdir(parents=True, exist_ok=True)
            shade = (100 * number + shift + 7 * len(split)) % 256
            Image.new("L", (options.size, options.size), shade).save(target / f"{number}.png")
    return dict(counts)

def restless(options, folder, calls=itertools.count()):
    return sound(options, folder, shift=next(calls))

def draws(options, folder):
    torch.rand(1)
    return sound(options, folder)

def wordless(options, folder):
    sound(options, folder)

def miscounted(options, folder):
    return {**sound(options, folder), "test": 5}

def beside(options, folder):
    (folder.parent / "notes.txt").write_text("")
    return sound(options, folder)

def unknown_split(options, folder):
    return sound(options, folder, counts={"train": 4, "holdout-2": 4})

def one_class(options, folder):
    sound(options, folder)
    for split in COUNTS:
        for file in (folder / split / "b").iterdir():
            file.rename(folder / split / "a" / file.name)
        (folder / split / "b").rmdir()
    return dict(COUNTS)

def crashing(options, folder):
    return 1 // 0

def refusing(options, folder):
    raise DataError("the images come with a library", help="pip install it")
"""
BROKEN = {
    "restless": "written twice, its files differ: seed a generator of your own",
    "draws": "writing it moves the global random numbers of torch: draw from a generator of your own",
    "wordless": r"`make` must return how many images each split has, such as \{'train': 80\}, not None",
    "miscounted": "it says that test has 5 images, and test/CLASS/ hold 4",
    "beside": "it writes 'notes.txt' beside the folder that it is given",
    "unknown_split": "it has 'holdout-2', and its folders are splits, which are called train, validation, test",
    "one_class": "what it writes is no data set to train on: ",
    "crashing": "writing it fails: ZeroDivisionError",
}


@pytest.fixture
def sample(plugins_of):
    """Sample data that a function of the sound one's module writes."""
    hook = '\n@hookimpl\ndef archspec_samples():\n    return {{"shades": Offer(ShadeOptions, {make})}}\n'
    return lambda make: plugins_of(SOUND + hook.format(make=make))


def test_sound_sample_data_passes(sample):
    check_sample("shades", plugins=sample("sound"))
    check_sample("shades", plugins=sample("sound"), options={"size": 12})


def test_the_digits_pass():
    pytest.importorskip("sklearn")
    check_sample("digits", plugins=Plugins(installed=False), options={"size": 8})


@pytest.mark.parametrize("make", BROKEN)
def test_a_broken_promise_is_found(sample, make):
    with pytest.raises(AssertionError, match=BROKEN[make]) as caught:
        check_sample("shades", plugins=sample(make), options={"size": 9})
    message = str(caught.value)
    assert message.startswith("sample 'shades' of plugin_")
    assert message.partition("\nwith these options:\n")[2].strip() == "size: 9"


def test_what_it_refuses_is_its_own_error(sample):
    with pytest.raises(DataError, match="the images come with a library"):
        check_sample("shades", plugins=sample("refusing"))
