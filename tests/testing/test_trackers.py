"""`check_tracker`: the built-in tracker passes, and every promise that one can break is found."""

import random

import numpy as np
import pytest
import torch

import archspec
from archspec import Plugins
from archspec.testing import check_tracker

PLUGINS = Plugins(installed=False)
SOURCE = """
import random
from pathlib import Path

import numpy as np

from archspec.errors import RunError

class Log(Options):
    every: Annotated[int, Field(ge=1)] = 1

class Good:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.begun = False
    def begin(self, info):
        self.folder.mkdir(exist_ok=True)
        self.begun = True
    def line(self, text):
        with (self.folder / "log.txt").open("a") as stream:
            stream.write(text)
    def step(self, result):
        if result.step % self.options.every == 0:
            self.line(f"{result.step} {float(result.loss)}\\n")
    def epoch(self, result):
        self.line(f"{result.epoch} {result.validation and result.validation.top1}\\n")
    def close(self):
        self.begun = False

class FailsToBegin(Good):
    def begin(self, info):
        raise ValueError("no server")

class FailsAtAStep(Good):
    def step(self, result):
        if result.step == 7:
            raise ValueError("step 7")

class FailsAtAnEpoch(Good):
    def epoch(self, result):
        raise ValueError("an epoch")

class ClosesOnce(Good):
    def close(self):
        self.begun, closed = None, self.begun
        if closed is None:
            raise ValueError("closed")

class ClosesWhatBegan(Good):
    def close(self):
        self.stream = self.__dict__.pop("stream", None) or self.folder.stat()

class NewFolder(Good):
    def begin(self, info):
        self.folder.mkdir()

class EarlyFolder(Good):
    def __init__(self, options, folder):
        super().__init__(options, folder)
        folder.mkdir(parents=True)
    def begin(self, info):
        pass

class WritesAtTheEnd(Good):
    def close(self):
        self.folder.mkdir(parents=True, exist_ok=True)

class Elsewhere(Good):
    def epoch(self, result):
        (self.folder.parent / "figures.csv").touch()

class DrawsOnImport(Good):
    imported = False
    def begin(self, info):
        super().begin(info)
        if not DrawsOnImport.imported:
            random.random()
        DrawsOnImport.imported = True

class DrawsFromTorch(Good):
    def step(self, result):
        torch.rand(())

class DrawsFromNumpy(Good):
    def epoch(self, result):
        np.random.rand()

class DrawsFromPython(Good):
    def begin(self, info):
        super().begin(info)
        self.name = random.random()

class Keeps(Good):
    def __init__(self, options, folder):
        super().__init__(options, folder)
        self.results = []
    def step(self, result):
        self.results.append(result)

class Changes(Good):
    def step(self, result):
        result.loss.mul_(2)

class Prints(Good):
    def epoch(self, result):
        print("epoch", result.epoch)

class NoClose:
    def begin(self, info):
        pass
    step = epoch = begin

def raises(options, folder):
    raise KeyError("token")

def refuses(options, folder):
    raise RunError("it needs a library")

@hookimpl
def archspec_trackers():
    kinds = [
        Good, FailsToBegin, FailsAtAStep, FailsAtAnEpoch, ClosesOnce, ClosesWhatBegan, NewFolder, EarlyFolder,
        WritesAtTheEnd, Elsewhere, DrawsOnImport, DrawsFromTorch, DrawsFromNumpy, DrawsFromPython, Keeps,
        Changes, Prints,
    ]
    offers = {kind.__name__: Offer(Log, kind) for kind in kinds}
    offers["NoClose"] = Offer(Log, lambda options, folder: NoClose())
    offers["Nothing"] = Offer(Log, lambda options, folder: None)
    return {**offers, "raises": Offer(Log, raises), "refuses": Offer(Log, refuses)}
"""
FAULTS = {
    "FailsToBegin": r"`begin` fails: ValueError: no server",
    "FailsAtAStep": r"`step` fails: ValueError: step 7",
    "FailsAtAnEpoch": r"`epoch` fails: ValueError: an epoch",
    "ClosesOnce": r"`close` fails at the end, for the second time: ValueError: closed",
    "ClosesWhatBegan": r"`close` fails before a run began: FileNotFoundError",
    "NewFolder": r"`begin` fails: FileExistsError",
    "EarlyFolder": r"it writes something when it is made",
    "WritesAtTheEnd": r"it writes something when a run ends before its first step",
    "Elsewhere": r"it writes 'figures.csv' beside the folder that is its own, 'Elsewhere'",
    "DrawsFromTorch": r"following a run moves the global random numbers of torch",
    "DrawsFromNumpy": r"following a run moves the global random numbers of numpy",
    "DrawsFromPython": r"following a run moves the global random numbers of Python",
    "Keeps": r"it still holds tensors of an epoch's steps",
    "Changes": r"it changes a tensor of a step",
    "Prints": r"it prints on standard output, which is for `--json`: 'epoch 1'",
    "NoClose": r"`make` must return a tracker, and this NoClose has no method `close`",
    "Nothing": r"`make` must return a tracker, and this NoneType has no method `begin`",
    "raises": r"making it fails: KeyError: 'token'",
}


@pytest.fixture
def plugins(plugins_of):
    return plugins_of(SOURCE)


@pytest.mark.parametrize("options", [None, {"every": 1}, {"every": 3}])
def test_the_built_in_tracker_passes(options):
    pytest.importorskip("tensorboard")
    check_tracker("tensorboard", plugins=PLUGINS, options=options)


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_tracker_is_found(plugins, name):
    with pytest.raises(AssertionError, match=FAULTS[name]) as caught:
        check_tracker(name, plugins=plugins, options={"every": 2})
    message = str(caught.value)
    assert message.startswith(f"tracker '{name}' of plugin_")
    assert message.endswith("with these options:\n    every: 2\n")


def test_a_sound_tracker_of_a_plugin_passes(plugins):
    check_tracker("Good", plugins=plugins)
    check_tracker("Good", plugins=plugins, options={"every": 7})
    check_tracker("DrawsOnImport", plugins=plugins)


def test_what_the_tracker_or_its_options_refuse_is_its_own_error(plugins):
    with pytest.raises(archspec.errors.RunError, match="it needs a library"):
        check_tracker("refuses", plugins=plugins)
    with pytest.raises(archspec.errors.DocumentError, match="'every' must be at least 1"):
        check_tracker("Good", plugins=plugins, options={"every": 0})
    with pytest.raises(archspec.errors.PluginError, match="unknown tracker 'tensorbord'; did you mean 'tensorboard'"):
        check_tracker("tensorbord", plugins=plugins)


def test_random_numbers_are_as_if_nothing_was_checked(plugins):
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    for name in ("Good", "DrawsFromTorch", "DrawsFromNumpy", "DrawsFromPython"):
        try:
            check_tracker(name, plugins=plugins)
        except AssertionError:
            assert name != "Good"
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]
