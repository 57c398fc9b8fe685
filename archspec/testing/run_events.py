"""The check of run events: small runs that have them, stopped here and there, end with the same bits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import torch

from archspec.data.opening import open_data
from archspec.errors import ArchspecError, PluginError
from archspec.offers import Options
from archspec.plugins import Plugins, default_plugins
from archspec.spec.arch import ArchSpec
from archspec.spec.load import read_spec
from archspec.spec.reader import Mapping as MapNode
from archspec.spec.reader import read_text
from archspec.testing.cases import Fault
from archspec.testing.holding import hold
from archspec.training.documents import choose_data, load_recipe
from archspec.training.keeping import fit
from archspec.training.recipe import DataChoice, Recipe
from archspec.training.resuming import resume_session
from archspec.training.run import METRICS, open_run
from archspec.training.session import Session, new_session

__tracebackhide__ = True  # of pytest: a test that fails shows its own line, and what the check says
_SPEC = """
name: case
input: {channels: 3, size: 16}
stem: {type: conv, filters: 8, kernel: 3, strides: 1}
stages:
- {block: basic, filters: 8}
- {block: basic, filters: 16, strides: 2, drop_path: 0.2}
head: {type: classifier, classes: 3}
"""
_DATA = ("data.images=40", "data.classes=3", "data.size=16")
_RECIPE = ("epochs=3", "batch_size=8", "optimizer={type: sgd, lr: 0.05, momentum: 0.9}", "checkpoint_minutes=null")
_STOPS = {2: "step 2", 5: "the last step of an epoch", 6: "an epoch", 8: "step 7"}
"""Where a run is stopped, by how much of it is done: an epoch has 5 steps, and is measured then."""
_KEPT = ("checkpoints/last/model.safetensors", "checkpoints/last/training.safetensors", METRICS)
_PLACE: dict[str, Any] = {"device": torch.device("cpu"), "workers": 0}


def check_run_event(name: str, *, plugins: Plugins | None = None, options: Mapping[str, Any] | None = None) -> None:
    """Run events act on a run of three epochs, and on the same run stopped and resumed, to the same bits.

    `options` are written as in a recipe. Without `plugins`, the offer is one of an installed package.

    Raises:
        AssertionError: the offer broke a promise.
        PluginError: there is no such offer.
        DocumentError: an option is wrong.
        ArchspecError: the offer refuses to be made, as one whose library is missing.

    """
    plugins = plugins or default_plugins()
    hold("run_events", name, plugins, options, lambda held, folder: _prove(Bench(held, plugins, options or {}), folder))


class Bench:
    """Runs of a small network on made-up images, whose recipe names the offer."""

    def __init__(self, held: Options, plugins: Plugins, options: Mapping[str, Any]) -> None:
        self.plugins, self.spec = plugins, _read_spec(plugins)
        named = json.dumps([{"type": held.offer.name, **options}])
        self.settings = [f"recipe.{change}" for change in (*_RECIPE, f"events={named}")]
        self.choice: DataChoice = choose_data("fake", _DATA, plugins)
        self.data = open_data(self.choice.data, 0)

    def recipe(self, *overrides: str) -> Recipe:
        return load_recipe("default", [*self.settings, *(f"recipe.{change}" for change in overrides)], self.plugins)

    def begin(self, out: Path, *overrides: str) -> Session:
        """A new run."""
        try:
            return new_session(
                self.spec, self.recipe(*overrides), self.choice, self.data, out=out, command=[], **_PLACE
            )
        except PluginError as error:  # it makes no run events, or such as nothing calls
            raise Fault(error.message) from error
        except ArchspecError:
            raise
        except (Exception, SystemExit) as error:
            raise Fault(f"making it fails: {type(error).__name__}: {error}") from error

    def resume(self, out: Path) -> Session:
        """The run, which goes on."""
        try:
            return resume_session(open_run(out, self.plugins), self.data, **_PLACE)
        except PluginError as error:
            raise Fault(error.message) from error


def _read_spec(plugins: Plugins) -> ArchSpec:
    node = read_text(_SPEC, "case.yaml")
    assert isinstance(node, MapNode)
    return read_spec(node, plugins)


def _prove(bench: Bench, folder: Path) -> None:
    _train(bench.begin(folder / "first"))  # what it imports may draw
    _train(bench.begin(folder / "whole"))
    _refuse_other(folder, "first", "the same run ends elsewhere the second time", "draw from a generator of your own")
    _train(bench.begin(folder / "often", "checkpoint_steps=1"))
    help = "what a method called around saving changes must be put back, or be the network's tensors"
    _refuse_other(folder, "often", "a run that writes a checkpoint after every step ends elsewhere", help)
    for done, when in _STOPS.items():
        out = folder / f"stopped-{done}"
        _train(bench.begin(out), done)
        _train(bench.resume(out))
        help = "what it remembers goes into the checkpoint by `tensors`, and comes back by `restore`"
        _refuse_other(folder, out.name, f"stopped after {when} and resumed, a run ends elsewhere", help)


def _train(session: Session, stop: int | None = None) -> None:
    """Train to the end, or until so much is done, the last of which is kept."""
    done = count(1)
    try:
        for _ in fit(session, stop=lambda: next(done) == stop):
            pass
    except PluginError as error:
        raise Fault(error.message) from error


def _refuse_other(folder: Path, name: str, what: str, help: str) -> None:
    for kept in _KEPT:
        if (folder / name / kept).read_bytes() != (folder / "whole" / kept).read_bytes():
            raise Fault(f"{what}: {kept} is not the same: {help}")
