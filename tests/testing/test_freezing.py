"""`check_freezing_policy`: every promise that a policy can break is found, and sound ones pass."""

import random

import numpy as np
import pytest
import torch

from archspec import Plugins
from archspec.testing import check_freezing_policy

POLICIES = """
import math, random, time
from dataclasses import replace
from archspec import FreezingOptions, ImpossibleFreezing, Treatment

COUNT = itertools.count()

def names(plan):
    return [name for name, _, trained in plan.tensors() if trained]

def usual(options, plan, *scopes):
    "The head trains."
    return options.treatments(plan, {name: 1.0 for name in names(plan) if name.startswith(("head.", *scopes))})

def changed(change, only=lambda name: True):
    "Each treatment of the usual policy, changed."
    def make(options, plan):
        found = {name: change(t, options) if only(name) else t for name, t in usual(options, plan).items()}
        return lambda epoch: found
    return make

class Remembering:
    "Thaws one more parameter each time that it is asked."
    def __init__(self, options, plan):
        self.options, self.plan, self.seen = options, plan, 0
    def __call__(self, epoch):
        self.seen += 1
        return self.options.treatments(self.plan, dict.fromkeys(names(self.plan)[-self.seen:], 1.0))

class InPlace:
    "One map, which it changes."
    def __init__(self, options, plan):
        self.found = dict(usual(options, plan))
    def __call__(self, epoch):
        self.found["head.linear.bias"] = Treatment(True, 1 / (1 + epoch + next(COUNT)))
        return self.found

def sound(options, plan):
    return lambda epoch: usual(options, plan, "stages.") if epoch > 3 else usual(options, plan)

def picky(options, plan):
    "Fits networks with four stages alone."
    if len(plan.stages) != 4:
        raise ImpossibleFreezing("it needs four stages")
    return lambda epoch: usual(options, plan)

def refuses(options, plan):
    raise ImpossibleFreezing("no network pleases it", "type", help="there is none")

def made_by_chance(options, plan):
    random.seed(0)
    return lambda epoch: usual(options, plan)

def own_clock(options, plan):
    scale = 1 / (1 + next(COUNT))
    return lambda epoch: options.treatments(plan, dict.fromkeys(names(plan), scale))

def by_chance(draw):
    return lambda options, plan: lambda epoch: usual(options, plan, "stages.") if draw() < 2 else None

def lacks(options, plan):
    return lambda epoch: {name: t for name, t in usual(options, plan).items() if not name.endswith("head.linear.bias")}

def resnet(options, plan):
    "Names of one network."
    return lambda epoch: {**usual(options, plan), "stem.conv.weight": Treatment(False, bn=options.bn)}

def buffers(options, plan):
    return lambda epoch: {name: Treatment(True) for name, *_ in plan.tensors()}

def short(options, plan):
    return [usual(options, plan)] * 30

def ends(options, plan):
    return ([usual(options, plan)] * 30).__getitem__

@hookimpl
def archspec_freezing_policies():
    made = {
        "sound": sound, "picky": picky, "refuses": refuses,
        "remembers": Remembering, "in-place": InPlace, "own-clock": own_clock,
        "made-by-chance": made_by_chance,
        "python": by_chance(random.random), "torch": by_chance(lambda: float(torch.rand(()))),
        "numpy": by_chance(lambda: __import__("numpy").random.rand()),
        "lacks": lacks, "buffers": buffers, "short": short, "ends": ends, "resnet": resnet,
        "nothing": lambda options, plan: None,
        "none-each": lambda options, plan: lambda epoch: None,
        "pairs": lambda options, plan: lambda epoch: [(name, Treatment(True)) for name in names(plan)],
        "flags": changed(lambda t, options: t.trains),
        "half": changed(lambda t, options: replace(t, trains=int(t.trains))),
        "negative": changed(lambda t, options: replace(t, scale=-1.0)),
        "nan": changed(lambda t, options: replace(t, scale=math.nan)),
        "endless": changed(lambda t, options: replace(t, scale=math.inf)),
        "tensor": changed(lambda t, options: replace(t, scale=torch.tensor(1.0))),
        "mode": changed(lambda t, options: replace(t, bn="frozen")),
        "idle": changed(lambda t, options: replace(t, trains=False, bn=options.bn)),
        "forgets": changed(lambda t, options: Treatment(t.trains)),
        "fixed": changed(lambda t, options: t if t.trains else replace(t, bn="eval")),
        "split": changed(lambda t, options: replace(t, bn="batch"), lambda name: name.endswith("norm.bias")),
        "asleep": lambda options, plan: lambda epoch: {
            name: Treatment(True, 1.0, options.bn) for name in names(plan)
        },
        "first": lambda options, plan: lambda epoch: usual(options, plan) if 1 / (99 - epoch) else None,
    }
    wrong = {"plain": Offer(Options, lambda options, plan: lambda epoch: {})}
    return {**{name: Offer(FreezingOptions, make) for name, make in made.items()}, **wrong}
"""
FAULTS = {
    "remembers": r"it gives Treatment.* for \S+, and asked again Treatment.*: it must depend on options, plan",
    "in-place": r"for head\.linear\.bias, and asked again Treatment",
    "own-clock": r"and made anew, as a resumed run makes it, Treatment.*, or a resumed run is another one",
    "made-by-chance": r"it moves the global random numbers of Python: a run that is resumed would freeze other",
    "python": r"it moves the global random numbers of Python",
    "torch": r"it moves the global random numbers of torch",
    "numpy": r"it moves the global random numbers of numpy",
    "lacks": r"at epoch 0 of \S+ it says nothing of head\.linear\.bias, and must treat every parameter",
    "buffers": r"it treats 'stem\.norm\.running_mean', which is no parameter of the plan",
    "resnet": r"at epoch 0 of repvgg-a0 it treats 'stem\.conv\.weight', which is no parameter of the plan",
    "short": r"`make` must return a function of the epoch, not \[",
    "ends": r"at epoch 99 of \S+, which may be beyond the last one, it fails: IndexError",
    "first": r"at epoch 99 of \S+, which may be beyond the last one, it fails: ZeroDivisionError",
    "nothing": r"`make` must return a function of the epoch, not None",
    "none-each": r"at epoch 0 it gives NoneType, and must give a Treatment for each parameter",
    "pairs": r"at epoch 0 it gives list, and must give a Treatment for each parameter",
    "flags": r"it gives False for stem\.conv\.weight, and must give an archspec\.Treatment",
    "half": r"stem\.conv\.weight has `trains` 0, which is neither True nor False",
    "negative": r"stem\.conv\.weight has the scale -1\.0, a factor on the learning rate, which must be finite and 0",
    "nan": r"has the scale nan, a factor",
    "endless": r"has the scale inf, a factor",
    "tensor": r"has the scale tensor\(1\.\), which must be a number",
    "mode": r"has `bn` 'frozen', which must be one of train, eval, batch, update",
    "idle": r"of cifar-resnet20 nothing ever trains: refuse the options that ask for it, by ImpossibleFreezing",
    "forgets": r"stem\.norm is frozen, and has `bn` train, where the options say eval",
    "fixed": r"stem\.norm is frozen, and has `bn` eval, where the options say (batch|update)",
    "split": r"the parameters of stem\.norm have `bn` batch and eval: one batch norm does one thing",
    "asleep": r"stem\.norm trains, and has `bn` eval: a batch norm that trains has 'train'",
    "plain": r"its options must derive from archspec\.FreezingOptions",
    "refuses": r"fits nowhere: 24 specs were impossible(?s:.*)no network pleases it",
}


@pytest.fixture
def check(plugins_of):
    plugins = plugins_of(POLICIES)
    return lambda name, **rest: check_freezing_policy(name, plugins=plugins, **{"cases": 4, **rest})


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_policy_is_found(check, name):
    with pytest.raises(AssertionError, match=FAULTS[name]) as caught:
        check(name)
    message = str(caught.value)
    assert message.startswith(f"freezing policy '{name}' of plugin_")
    assert f"in this case:\n    freeze: {{type: {name}" in message


@pytest.mark.parametrize("name", ["sound", "picky"])
def test_a_sound_policy_passes(check, name):
    check(name)


def test_a_stage_that_a_network_lacks_is_passed_over():
    check_freezing_policy("until", plugins=Plugins(installed=False), options={"stage": "stages.3"}, cases=1)
    with pytest.raises(AssertionError, match=r"fits nowhere(?s:.*)'stages\.9' is no block of softmax"):
        check_freezing_policy("until", plugins=Plugins(installed=False), options={"stage": "stages.9"}, cases=1)


def test_an_option_of_text_must_be_held():
    with pytest.raises(ValueError, match="'stage' of UntilOptions is required"):
        check_freezing_policy("until", plugins=Plugins(installed=False))


def test_random_numbers_are_as_if_nothing_was_checked():
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    check_freezing_policy("gradual", plugins=Plugins(installed=False), cases=1)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]
