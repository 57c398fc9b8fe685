"""`check_run_event`: sound events pass, and every promise that one can break is found."""

import random
import re

import numpy as np
import pytest
import torch

import archspec
from archspec.testing import check_run_event

SOURCE = """
import random

from archspec import RunEvents
from archspec.errors import RunError

class By(Options):
    factor: Annotated[float, Field(gt=0, le=1)] = 0.9

class Nothing(RunEvents):
    def __init__(self, options, run):
        self.options, self.epochs = options, 0
    def shrink(self, trainer, factor):
        with torch.no_grad():
            for parameter in trainer.network.parameters():
                parameter.mul_(factor)

class Shrinks(Nothing):
    def epoch_finished(self, trainer, result):
        self.shrink(trainer, self.options.factor)

class Counts(Nothing):
    def epoch_finished(self, trainer, result):
        self.epochs += 1
        self.shrink(trainer, 1 - 0.1 / self.epochs)
    def tensors(self):
        return {"epochs": torch.tensor(self.epochs)}
    def restore(self, tensors):
        self.epochs = int(tensors["epochs"])

class Forgets(Counts):
    def restore(self, tensors):
        pass

class KeepsNumbers(Counts):
    def tensors(self):
        return {"epochs": self.epochs}

class CountsStarts(Counts):
    def run_started(self, trainer):
        self.shrink(trainer, 0.5)

class CountsSavings(Counts):
    def after_saving(self, trainer):
        self.epochs += 1

class MovesTheOptimizer(Nothing):
    def before_saving(self, trainer):
        for state in trainer.optimizer.state.values():
            state["momentum_buffer"].mul_(0.5)

class Draws(Nothing):
    def epoch_finished(self, trainer, result):
        self.shrink(trainer, random.random())

class FailsInTime(Nothing):
    def before_evaluation(self, trainer):
        raise ValueError("not now")

class FailsToGoOn(Counts):
    def restore(self, tensors):
        raise KeyError("epochs")

class Misspelt(Nothing):
    def epoch_finnished(self, trainer, result):
        pass

def raises(options, run):
    raise KeyError("token")

def takes_one(options):
    pass

def refuses(options, run):
    raise RunError("it needs a library")

@hookimpl
def archspec_run_events():
    kinds = [
        Nothing, Shrinks, Counts, Forgets, KeepsNumbers, CountsStarts, CountsSavings, MovesTheOptimizer, Draws,
        FailsInTime, FailsToGoOn, Misspelt,
    ]
    offers = {kind.__name__: Offer(By, kind) for kind in kinds}
    functions = {"none": lambda options, run: None, "raises": raises, "takes-one": takes_one, "refuses": refuses}
    return offers | {name: Offer(By, function) for name, function in functions.items()}
"""
FAULTS = {
    "Forgets": "stopped after an epoch and resumed, a run ends elsewhere: checkpoints/last/model.safetensors is not the"
    " same: what it remembers goes into the checkpoint by `tensors`",
    "KeepsNumbers": "'KeepsNumbers' among run_events of .* must keep tensors, and keeps 'epochs' as int",
    "CountsStarts": "stopped after step 2 and resumed, a run ends elsewhere",
    "CountsSavings": "a run that writes a checkpoint after every step ends elsewhere",
    "MovesTheOptimizer": "a run that writes a checkpoint after every step ends elsewhere",
    "Draws": "the same run ends elsewhere the second time: .* draw from a generator of your own",
    "FailsInTime": "fails in before_evaluation: ValueError: not now",
    "FailsToGoOn": "fails in restore: KeyError: 'epochs'",
    "Misspelt": "has a method 'epoch_finnished', which is no event: nothing calls it",
    "none": "must make archspec.RunEvents, not None",
    "raises": "making it fails: KeyError: 'token'",
    "takes-one": r"making it fails: TypeError: takes_one\(\) takes 1 positional argument",
}


@pytest.fixture
def plugins(plugins_of):
    return plugins_of(SOURCE)


@pytest.mark.parametrize("name", ["Nothing", "Shrinks", "Counts"])
def test_sound_run_events_pass(plugins, name):
    check_run_event(name, plugins=plugins)
    check_run_event(name, plugins=plugins, options={"factor": 0.5})


@pytest.mark.parametrize("name", FAULTS)
def test_broken_run_events_are_found(plugins, name):
    with pytest.raises(AssertionError) as caught:
        check_run_event(name, plugins=plugins, options={"factor": 0.8})
    message = str(caught.value)
    assert re.search(FAULTS[name], message)
    assert message.startswith(f"run event '{name}' of plugin_")
    assert message.endswith("with these options:\n    factor: 0.8\n")


def test_what_they_or_their_options_refuse_is_their_own_error(plugins):
    with pytest.raises(archspec.errors.RunError, match="it needs a library"):
        check_run_event("refuses", plugins=plugins)
    with pytest.raises(archspec.errors.DocumentError, match="'factor' must be at most 1"):
        check_run_event("Shrinks", plugins=plugins, options={"factor": 2})
    with pytest.raises(archspec.errors.PluginError, match="unknown run event 'Shrink'; did you mean 'Shrinks'"):
        check_run_event("Shrink", plugins=plugins)


def test_random_numbers_and_threads_are_as_if_nothing_was_checked(plugins):
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist(), torch.get_num_threads()
    check_run_event("Counts", plugins=plugins)
    with pytest.raises(AssertionError):
        check_run_event("Draws", plugins=plugins)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_num_threads()) == before[1:]
