"""What a plugin declares and does not keep, in whole commands: tensors and shapes of an operation, labels of data."""

import re
from pathlib import Path

import numpy as np
import pytest

from archspec import Plugins, load_spec
from archspec.cli.app import run
from archspec.data import ImageData, ImageIndex, ImageSource
from archspec.data.opening import data_fault
from archspec.network.compile import build_network
from archspec.network.foreign import hold_to_shapes

NETWORK = """
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from archspec import BlockOptions, Offer, Operation, hookimpl


class Raises(nn.Module):
    def forward(self, x):
        raise ValueError("not of this size")

class Tuple(nn.Module):
    def forward(self, x):
        return x, x

class Strided(nn.Module):
    def forward(self, x):
        return x[..., ::2]

def tensors(operation):
    return nn.Conv2d(operation.channels, operation.channels, 3, padding=1, bias=False)

def fails(operation):
    raise KeyError("kernel")

def nothing(operation):
    return None

def honest(operation):
    return nn.Identity()

def raises(operation):
    return Raises()

def several(operation):
    return Tuple()

def strided(operation):
    return Strided()

def adds(operation):
    return nn.Hardswish()

def lie(function):
    @dataclass(frozen=True)
    class Lie(Operation):
        channels: int
        maker: ClassVar[str] = f"{__name__}:{function.__name__}"
        def macs(self, output):
            return 5 if function is adds else 0

    def block(net, x, options):
        y = net.conv(x, options.filters, 3, options.strides)
        return net.write(Lie(options.filters), y, name="lie")
    return Offer(BlockOptions, block)

@hookimpl
def archspec_blocks():
    return {f.__name__: lie(f) for f in (tensors, fails, nothing, honest, raises, several, strided, adds)}
"""
LIES = {
    "tensors": r"declares the tensors \{\}, and its module has \{'weight': \(32, 32, 3, 3\)\}",
    "fails": r"cannot be made: KeyError: 'kernel' \(.*\.py:\d+\)",
    "nothing": r"must be made a torch.nn.Module by .*:nothing, not None",
    "raises": r"fails on a batch of no images: ValueError: not of this size \(.*\.py:12\)",
    "several": r"declares the shape \(32, 32, 32\), and its module makes \(tensor\(",
    "strided": r"declares the shape \(32, 32, 32\), and its module makes \(32, 32, 16\)",
}
DATA = """
from pathlib import Path

import numpy as np
from PIL import Image

from archspec import Offer, Options, hookimpl
from archspec.data import ImageData, ImageIndex, ImageSource


class Source(ImageSource):
    root = Path("somewhere")

    def __init__(self, count, image):
        self.count, self.image = count, image

    def __len__(self):
        return self.count

    def name(self, number):
        return f"image {number}"

    def read(self, number, reading):
        return self.image if number == 5 and self.image is not None else Image.new("RGB", (24, 24))

    def digest(self, numbers):
        return numbers.tobytes()

    def size(self, number):
        return 24, 24


def offer(label=0, image=None, classes=("a", "b", "c"), splits=("train", "validation"), whole=True):
    def make(options, seed):
        index = {}
        for split in splits:
            labels = np.arange(40) % 3
            labels[7] = label
            index[split] = ImageIndex(Source(40, image), labels)
        return ImageData("made", Path("somewhere"), classes, index) if whole else index
    return Offer(Options, make)


@hookimpl
def archspec_datasets():
    return {
        "honest": offer(),
        "label": offer(label=3),
        "negative": offer(label=-1),
        "grey": offer(image=Image.new("L", (24, 24))),
        "array": offer(image=np.zeros((24, 24, 3), np.uint8)),
        "empty": offer(image=Image.new("RGB", (0, 24))),
        "split": offer(splits=("training", "validation")),
        "alone": offer(splits=("train",)),
        "twice": offer(classes=("a", "b", "a")),
        "dictionary": offer(whole=False),
    }
"""
FALSE_DATA = {
    "label": "its train split has the label 3, and labels go from 0 to 2",
    "negative": "its train split has the label -1, and labels go from 0 to 2",
    "split": "it has a split 'training'; splits are called train, validation, test",
    "alone": "it has no validation split",
    "twice": "two classes are called 'a'",
    "dictionary": "it opens as dict, not as archspec.data.ImageData",
}
FALSE_IMAGES = {
    "grey": "'image 5' comes as L of 24x24, where an image of mode RGB was asked for",
    "array": "'image 5' comes as ndarray, where an image of mode RGB was asked for",
    "empty": "'image 5' comes as RGB of 0x24, where an image of mode RGB was asked for",
}


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder: exit code, standard output, standard error. No traceback comes through."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call


def train(*more):
    return "train", "tiny", "--epochs", "1", "--workers", "0", "--out", "run", "--set", "recipe.batch_size=8", *more


@pytest.mark.parametrize("name", LIES)
def test_an_operation_that_lies_is_told_before_anything_relies_on_it(cli, module, tmp_path, name):
    plugin = module(NETWORK)
    begin = rf"'stages.0.0.lie', the operation Lie of {plugin}, {LIES[name]}"
    block = ("--set", f"stages.*.block={name}")
    for command in (("build", "tiny"), train("--data", "fake", "--set", "data.size=32")):
        code, out, error = cli("-p", plugin, *command, *block)
        assert code == 1
        assert re.search(begin, error)
        assert out == ""
        assert list((tmp_path / "place").iterdir()) == []


def test_an_operation_is_told_with_the_version_of_its_distribution(cli, installed):
    installed(NETWORK, "liar", "archspec-liar", "0.3")
    code, _, error = cli("build", "tiny", "--set", "stages.*.block=strided")
    assert code == 1
    assert "the operation Lie of archspec-liar 0.3, declares the shape" in error


def test_multiply_adds_that_are_not_there_are_told(cli, module):
    code, _, error = cli("-p", module(NETWORK), "build", "tiny", "--set", "stages.0.block=adds")
    assert code == 1
    assert "it has operations of plugins: Lie" in error


def test_an_operation_that_keeps_its_word_builds(cli, module):
    assert cli("-p", module(NETWORK), "build", "tiny", "--set", "stages.*.block=honest")[0] == 0


@pytest.mark.parametrize("name", FALSE_DATA)
@pytest.mark.parametrize("command", [train(), ("data", "inspect"), ("data", "preview", "--output", "a.png")])
def test_data_that_does_not_fit_together_is_told_before_an_image_is_read(cli, module, tmp_path, name, command):
    plugin = module(DATA)
    data = (name,) if command[0] == "data" else ("--data", name)
    code, _, error = cli("-p", plugin, *command, *data)
    assert code == 1
    assert f"'{name}' among datasets of {plugin} cannot be used: {FALSE_DATA[name]}" in error
    assert list((tmp_path / "place").iterdir()) == []


@pytest.mark.parametrize("name", FALSE_IMAGES)
@pytest.mark.parametrize("more", [(), ("--set", "recipe.cache=memory"), ("--set", "recipe.on_corrupt=skip")])
def test_an_image_that_is_none_is_told_and_never_skipped(cli, module, tmp_path, name, more):
    code, _, error = cli("-p", module(DATA), *train(*more, "--data", name))
    assert code == 1
    assert FALSE_IMAGES[name] in error
    assert not (tmp_path / "place" / "run").exists()


def test_honest_data_trains(cli, module, tmp_path):
    assert cli("-p", module(DATA), *train("--data", "honest"))[0] == 0
    assert (tmp_path / "place" / "run").is_dir()


def test_looking_at_shapes_leaves_a_network_as_it_was(module):
    plugins = Plugins([module(NETWORK)], installed=False)
    network = build_network(load_spec("tiny", ["stages.*.block=honest"], plugins=plugins))
    for training in (True, False):
        network.train(training)
        hold_to_shapes(network, network.steps, network.plan.input)
        assert network.training is training
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


def faulty(classes=("a", "b"), count=4, numbers=None):
    index = ImageIndex(Listed(4), np.zeros(count, int), numbers)
    return data_fault(ImageData("made", Path("somewhere"), classes, dict.fromkeys(("train", "validation"), index)))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"classes": ("a", " ")}, "the name of a class is empty"),
        ({"count": 0, "numbers": []}, "its train split is empty"),
        ({"numbers": np.array([0, 1, 2, -1])}, "its train split asks for the image -1 of a source of 4"),
        ({"numbers": np.array([0, 1, 2, 4])}, "its train split asks for the image 4 of a source of 4"),
    ],
)
def test_what_does_not_fit_together_is_a_fault(wrong, said):
    assert faulty() is None
    assert faulty(**wrong) == said


class Listed(ImageSource):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def name(self, number):
        return str(number)

    def read(self, number, reading):
        raise AssertionError("nothing is read")

    def digest(self, numbers):
        return b""

    def size(self, number):
        return 1, 1
