"""A small folder of coloured noise, a tiny network, and runs of it."""

import json

import pytest
import torch

from archspec.cli.app import run
from archspec.plugins import default_plugins
from archspec.spec.load import load_spec
from archspec.training.documents import choose_data, load_recipe


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


@pytest.fixture
def recipe(plugins):
    """`recipe("epochs=2")` -> the default recipe with two epochs."""
    return lambda *overrides: load_recipe("default", [f"recipe.{override}" for override in overrides], plugins)


@pytest.fixture
def session_of(spec_file, photos, recipe, plugins, tmp_path):
    """Overrides of the recipe -> a training session over the photos. One thread, no workers."""
    from archspec.training.session import fit_head, new_session

    def make(*overrides, spec_overrides=(), out="run", root=photos):
        choice = choose_data(f"imagefolder:{root}", (), plugins)
        settings = recipe(*overrides)
        data = choice.data.offer.make(choice.data, settings.seed)
        spec = fit_head(load_spec(spec_file, spec_overrides, plugins=plugins), data)
        place = {"out": tmp_path / out, "command": [], "device": torch.device("cpu"), "workers": 0}
        return new_session(spec, settings, choice, data, **place)

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


@pytest.fixture
def cli_run(capsys):
    """Runs any command in this process: arguments -> exit code, standard output, standard error."""

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
