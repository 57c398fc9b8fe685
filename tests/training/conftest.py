"""A small folder of coloured noise, a tiny network, and runs of it."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from archspec.cli.app import run
from archspec.plugins import default_plugins
from archspec.spec.load import load_spec
from archspec.training.recipe import choose_data, load_recipe

# 16 channels at least: torch 2.14 corrupts its heap on CPUs in the backward pass of a 1x1 convolution of stride 2 with
# fewer, when batches differ in size.
SPEC = """name: two-blocks
input: {channels: 3, size: 16}
stem: {type: conv, filters: 16, kernel: 3, strides: 1}
stages:
  - {block: basic, filters: 16, strides: 2, repeats: 1}
  - {block: basic, filters: 32, strides: 2, repeats: 1}
head: {type: classifier, classes: 10}
"""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Such small networks gain nothing from more, and lose much where other jobs want the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def plugins():
    return default_plugins()


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Three classes of noise, each tinted: 21 images a class to train on, 7 for validation, 5 for test."""
    root = tmp_path_factory.mktemp("photos")
    for split, count in (("train", 21), ("val", 7), ("test", 5)):
        for label, name in enumerate(("blue", "green", "red")):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.random.default_rng([label, number, count]).integers(0, 200, (24, 24, 3), dtype=np.uint8)
                pixels[..., label] //= 2
                Image.fromarray(pixels).save(root / split / name / f"{number:02d}.png")
    return root


@pytest.fixture(scope="session")
def spec_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("specs") / "two-blocks.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def recipe(plugins):
    """`recipe("epochs=2")` -> the default recipe with two epochs."""
    return lambda *overrides: load_recipe("default", [f"recipe.{override}" for override in overrides], plugins)


@pytest.fixture
def session_of(spec_file, photos, recipe, plugins, tmp_path):
    """Overrides of the recipe -> a training session over the photos. One thread, no workers."""
    from archspec.training.session import fit_head, new_session

    def make(*overrides, spec_overrides=(), out="run"):
        choice = choose_data(f"imagefolder:{photos}", (), plugins)
        settings = recipe(*overrides)
        data = choice.data.offer.make(choice.data, settings.seed)
        spec = fit_head(load_spec(spec_file, spec_overrides, plugins=plugins), data)
        place = {"out": tmp_path / out, "command": [], "device": torch.device("cpu"), "workers": 0}
        return new_session(spec, settings, choice, data, plugins, **place)

    return make


@pytest.fixture
def train(spec_file, photos, capsys):
    """Runs `archspec train` in this process: arguments -> exit code, what it said, and its JSON document or None."""

    def call(*arguments, workers=0):
        code = run(["train", *map(str, arguments), "--workers", str(workers), "--json"])
        captured = capsys.readouterr()
        return code, captured.err, json.loads(captured.out) if captured.out else None

    return call


@pytest.fixture
def train_new(train, spec_file, photos):
    """The same, for the tiny network and the photos."""
    return lambda *arguments, **options: train(spec_file, "--data", f"imagefolder:{photos}", *arguments, **options)
