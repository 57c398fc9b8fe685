"""`check_optimizer`, `check_schedule`, `check_loss`: every promise that one can break is found, and sound ones pass."""

import random

import numpy as np
import pytest
import torch

import archspec
from archspec import Plugins
from archspec.testing import check_loss, check_optimizer, check_schedule

OPTIMIZERS = """
COUNT = itertools.count()

class Rated(Options):
    lr: Annotated[float, Field(gt=0)] = 0.1
    weight_decay: Annotated[float, Field(ge=0)] = 0.1

class Descent(torch.optim.Optimizer):
    "w -= lr (g + d w)"
    def __init__(self, groups, lr):
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})
        self.count, self.rate = 0, 0.1 * lr

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                self.update(group, parameter)

    def update(self, group, parameter):
        if parameter.grad is not None:
            parameter -= group["lr"] * self.slope(group, parameter)

    def slope(self, group, parameter):
        return parameter.grad + group["weight_decay"] * parameter

class Momentum(Descent):
    def slope(self, group, parameter):
        state = self.state[parameter]
        state["kept"] = 0.9 * state.get("kept", 0) + super().slope(group, parameter)
        return state["kept"]

class ForgetsTheLate(Descent):
    def update(self, group, parameter):
        if not hasattr(self, "known"):
            all = [parameter for group in self.param_groups for parameter in group["params"]]
            self.known = {id(parameter) for parameter in all if parameter.grad is not None}
        if id(parameter) in self.known:
            super().update(group, parameter)

class OneGroup(Descent):
    def __init__(self, groups, lr):
        super().__init__([parameter for group in groups for parameter in group["params"]], lr)

class OwnRate(Descent):
    def __init__(self, groups, lr):
        super().__init__(groups, 2 * lr)

class IgnoresRate(Descent):
    def update(self, group, parameter):
        if parameter.grad is not None:
            parameter -= self.rate * self.slope(group, parameter)

class DecaysAll(Descent):
    def slope(self, group, parameter):
        return parameter.grad + 0.1 * parameter

class DecaysNothing(Descent):
    def slope(self, group, parameter):
        return parameter.grad

class OnlyWeights(Descent):
    def update(self, group, parameter):
        if parameter.ndim > 1:
            super().update(group, parameter)

class CountsInPython(Descent):
    def slope(self, group, parameter):
        self.state[parameter]["count"] = self.state[parameter].get("count", 0) + 1
        return super().slope(group, parameter)

class KeyedByText(Descent):
    def step(self):
        self.state["all"] = {"count": torch.tensor(1)}
        super().step()

class Remembers(Descent):
    def step(self):
        self.count += 1
        super().step()
    def slope(self, group, parameter):
        return super().slope(group, parameter) / self.count

class GroupCounts(Descent):
    def slope(self, group, parameter):
        group["count"] = group.get("count", 0) + 1
        return super().slope(group, parameter) / group["count"]

class Noisy(Descent):
    def slope(self, group, parameter):
        return super().slope(group, parameter) + torch.randn(parameter.shape)

class DrawsWhenMade(Descent):
    def __init__(self, groups, lr):
        torch.rand(1)
        super().__init__(groups, lr)

class Differs(Descent):
    def slope(self, group, parameter):
        return super().slope(group, parameter) * (1 + 1e-3 * next(COUNT))

class MovesFrozen(Momentum):
    def update(self, group, parameter):
        if parameter.grad is None:
            parameter -= group["lr"] * parameter
        super().update(group, parameter)

class Views(Momentum):
    "State that comes back as another type."
    def slope(self, group, parameter):
        slope = super().slope(group, parameter)
        self.state[parameter]["step"] = torch.tensor(1 + int(self.state[parameter].get("step", 0)))
        return slope if self.state[parameter]["step"] < 3 else 2 * slope

class Warming(Descent):
    "Moves a parameter from its sixth step on, as RAdam may."
    def slope(self, group, parameter):
        state = self.state[parameter]
        state["step"] = torch.tensor(1 + int(state.get("step", 0)))
        return super().slope(group, parameter) * (state["step"] > 5)

def fused(groups, lr):
    return torch.optim.SGD(groups, lr=lr, momentum=0.9, fused=True)

def closure(groups, lr):
    return torch.optim.LBFGS([parameter for group in groups for parameter in group["params"]], lr=lr)

@hookimpl
def archspec_optimizers():
    made = {
        "descent": Descent, "momentum": Momentum, "views": Views, "nothing": lambda groups, lr: None,
        "one-group": OneGroup, "own-rate": OwnRate, "ignores-rate": IgnoresRate, "decays-all": DecaysAll,
        "decays-nothing": DecaysNothing, "only-weights": OnlyWeights, "counts-in-python": CountsInPython,
        "keyed-by-text": KeyedByText, "remembers": Remembers, "group-counts": GroupCounts, "noisy": Noisy,
        "draws-when-made": DrawsWhenMade, "differs": Differs, "moves-frozen": MovesFrozen, "fused": fused,
        "closure": closure, "forgets-the-late": ForgetsTheLate, "warming": Warming,
    }
    return {
        name: Offer(Rated, lambda options, groups, make=make: make(groups, options.lr)) for name, make in made.items()
    }
"""
OPTIMIZER_FAULTS = {
    "nothing": r"`make` must return a torch\.optim\.Optimizer, not NoneType",
    "one-group": r"its `param_groups` must be the groups that it is given, in their order",
    "own-rate": r"its groups must begin with the `lr` of the options, 0\.1, not 0\.2",
    "ignores-rate": r"moves at a rate of 0\.0: a step must read the `lr` of each group",
    "decays-all": r"0\.bias moves without a slope, and its group has a `weight_decay` of 0",
    "decays-nothing": r"0\.weight does not shrink, and its group has a `weight_decay` of 0\.1",
    "only-weights": r"8 steps leave 0\.bias where it is, at gradients that are not 0",
    "counts-in-python": r"state '2\.weight/count', which is int and no tensor: keep numbers as tensors",
    "keyed-by-text": r"state of what is no parameter of the network: keep numbers as tensors",
    "remembers": r"stopped, saved and restored, it goes on elsewhere: all that it remembers must be tensors",
    "group-counts": r"stopped, saved and restored, it goes on elsewhere",
    "noisy": r"a step moves the global random numbers of torch: the network's dropout draws from them",
    "draws-when-made": r"making it moves the global random numbers of torch",
    "differs": r"the same steps end elsewhere the second time: it must be deterministic",
    "moves-frozen": r"0\.weight has no gradient, and moves: a frozen layer must stay as it is",
    "fused": r"a parameter that gets its first gradient later breaks it, as unfreezing does: expected Tensor",
    "forgets-the-late": r"0\.weight gets its first gradient at step 4, and does not move",
    "closure": r"LBFGS doesn't support per-parameter options|its `param_groups` must be",
}

SCHEDULES = """
import math, random

class Remembering:
    def __init__(self):
        self.seen = 0
    def __call__(self, step):
        self.seen += 1
        return 1 / self.seen

def at(function):
    return lambda options, steps: lambda step: function(step, steps)

@hookimpl
def archspec_schedules():
    made = {
        "line": at(lambda step, steps: 1 - step / steps), "whole": at(lambda step, steps: 1),
        "remembers": lambda options, steps: Remembering(),
        "negative": at(lambda step, steps: 0.5 - step / steps),
        "above": at(lambda step, steps: 0.1 * (step + 1)),
        "nan": at(lambda step, steps: math.nan if step == steps - 1 else 0.5),
        "zero": at(lambda step, steps: 0.0),
        "first": at(lambda step, steps: 1 / step),
        "one": at(lambda step, steps: 1 - step / (steps - 1)),
        "long": lambda options, steps: [1.0] * min(steps, 1000),
        "short": lambda options, steps: ([1.0] * min(steps, 1000)).__getitem__,
        "tensor": at(lambda step, steps: torch.tensor(1.0)),
        "chance": at(lambda step, steps: random.random()),
        "torch": at(lambda step, steps: float(torch.rand(()))),
    }
    return {name: Offer(Options, make) for name, make in made.items()}
"""
SCHEDULE_FAULTS = {
    "remembers": r"step \d of \d+ has the factor .*, and asked again .*: it must depend on the step alone",
    "negative": r"at step \d+ of \d+, its steps being 0 to \d+, its factor is -.*, and must be from 0 to 1",
    "above": r"at step 10 of 101, its steps being 0 to 100, its factor is 1\.1.*, the share of the peak rate",
    "nan": r"at step 0 of 1, its steps being 0 to 0, its factor is nan",
    "zero": r"its factor is 0 at each of 1 steps: nothing would be learned",
    "first": r"at step 0 of 1, .* it fails: ZeroDivisionError",
    "one": r"at step 0 of 1, .* it fails: ZeroDivisionError",
    "long": r"`make` must return a function of the step, not \[1\.0\]",
    "short": r"at step 1\d+ of 1000003, .* it fails: IndexError",
    "tensor": r"it gives tensor\(1\.\), and must give a number",
    "chance": r"it moves the global random numbers of Python: the same run would have another rate",
    "torch": r"it moves the global random numbers of torch",
}

LOSSES = """
import torch.nn.functional as F

def shares(logits, targets):
    return F.one_hot(targets, logits.shape[1]).float() if targets.ndim == 1 else targets

def always(loss):
    return lambda options, weights: loss

def weighed(options, weights):
    def loss(logits, targets):
        each = shares(logits, targets) * (1 if weights is None else weights)
        return -(each * logits.float().log_softmax(1)).sum(1).mean()
    return loss

def hinge(options, weights):
    "Nothing is left to learn of an image that is right by a margin of 1."
    def loss(logits, targets):
        there = shares(logits, targets)
        heavy = (there * (1 if weights is None else weights)).sum(1)
        return (heavy * (1 - (2 * there - 1) * logits.float()).clamp(min=0).sum(1)).mean()
    return loss

def unfinished(logits, targets):
    return -(shares(logits, targets) * logits.float().softmax(1).log()).sum(1).mean()

def steep(logits, targets):
    right = (shares(logits, targets) * logits.float().softmax(1)).sum(1)
    return ((1 - right) ** 0.5).mean()

def in_place(logits, targets):
    targets = targets.clone()
    logits.detach().sub_(logits.detach().amax(1, keepdim=True))
    return F.cross_entropy(logits, targets)

def binary(logits, targets):
    there = shares(logits, targets)
    there = 0.9 * there + 0.05 if targets.ndim == 1 else there
    return F.binary_cross_entropy_with_logits(logits.float(), there)

def noisy(logits, targets):
    return F.cross_entropy(logits + torch.randn_like(logits), targets)

CALLS = itertools.count()

def low(logits, targets):
    "In half precision it counts on numbers that this does not have."
    tiny = 1e-3 if logits.dtype == torch.float32 else 0.5
    return F.cross_entropy(logits * (1 - tiny), targets)

@hookimpl
def archspec_losses():
    made = {
        "weighed": weighed, "hinge": hinge,
        "torch": lambda options, weights: lambda x, t: F.cross_entropy(x, t, weights),
        "unweighed": always(F.cross_entropy),
        "nothing": lambda options, weights: None,
        "each": always(lambda x, t: F.cross_entropy(x, t, reduction="none")),
        "sum": always(lambda x, t: F.cross_entropy(x, t, reduction="sum")),
        "number": always(lambda x, t: F.cross_entropy(x, t).item()),
        "detached": always(lambda x, t: F.cross_entropy(x.detach(), t)),
        "flat": always(lambda x, t: 0 * F.cross_entropy(x, t) + 1),
        "labels": always(lambda x, t: F.nll_loss(x.log_softmax(1), t)),
        "unfinished": always(unfinished), "steep": always(steep), "in-place": always(in_place),
        "binary": always(binary), "noisy": always(noisy),
        "differs": always(lambda x, t: F.cross_entropy(x, t) * (1 + 1e-3 * next(CALLS))),
        "first": always(lambda x, t: F.cross_entropy(x[:1], t[:1]) + 0 * x.sum()),
        "scaled": lambda options, weights: lambda x, t: F.cross_entropy(x, t) * (1 if weights is None else 2),
        "low": always(low),
    }
    return {name: Offer(Options, make) for name, make in made.items()}
"""
LOSS_FAULTS = {
    "torch": r"with class weights, 1 images have the loss .*: multiply an image's loss by its class's weight",
    "unweighed": r"with class weights, 1 images have the loss",
    "nothing": r"`make` must return a function of logits and targets, not None",
    "each": r"it makes \(12,\) of labels \(B,\), and must make a tensor \(\): the batch's mean",
    "sum": r"a batch that holds every image twice: it is a mean; its images that had the loss \d\S+ have \d",
    "number": r"it makes float of labels \(B,\), and must make a tensor \(\)",
    "detached": r"no gradient reaches the logits, of labels \(B,\)",
    "flat": r"the gradient of 12 images with labels \(B,\) is 0: nothing would be learned",
    "labels": r"of shares \(B, classes\) it fails: \w+Error: ",
    "unfinished": r"the loss is nan, or its gradient is not finite, of logits from 0 to 10000: "
    r"take logarithms as log_softmax and logsigmoid do",
    "steep": r"or its gradient is not finite, of logits from 0 to 10000",
    "in-place": r"it changes the logits or targets that it is given",
    "binary": r"of shares that are the labels, images that had the loss \d\S+ have \d",
    "noisy": r"it moves the global random numbers of torch",
    "differs": r"of one batch it makes two losses",
    "first": r"in another order, the batch's images that had the loss \d\S+ have \d",
    "scaled": r"with class weights of 1, images that had the loss \d\S+ have \d",
    "low": r"of logits in bfloat16 the loss is \S+, and of the same in float32 \d",
}

CHECKS = {"optimizer": check_optimizer, "schedule": check_schedule, "loss": check_loss}
SOURCES = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES, "loss": LOSSES}
FAULTS = {"optimizer": OPTIMIZER_FAULTS, "schedule": SCHEDULE_FAULTS, "loss": LOSS_FAULTS}
BROKEN = [(kind, name) for kind, faults in FAULTS.items() for name in faults]
SOUND = {
    "optimizer": ["descent", "momentum", "views", "warming"],
    "schedule": ["line", "whole"],
    "loss": ["weighed", "hinge"],
}


@pytest.mark.parametrize(("kind", "name"), BROKEN, ids=[f"{kind}-{name}" for kind, name in BROKEN])
def test_a_broken_offer_is_found(plugins_of, kind, name):
    with pytest.raises(AssertionError, match=FAULTS[kind][name]) as caught:
        CHECKS[kind](name, plugins=plugins_of(SOURCES[kind]))
    message = str(caught.value)
    assert message.startswith(f"{kind} '{name}' of plugin_")
    assert f"in this case:\n    {kind}: {{type: {name}" in message


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in SOUND.items() for name in names])
def test_a_sound_offer_of_a_plugin_passes_and_can_be_used(plugins_of, kind, name):
    from archspec.training.documents import load_recipe

    plugins = plugins_of(SOURCES[kind])
    CHECKS[kind](name, plugins=plugins)
    assert getattr(load_recipe("default", [f"recipe.{kind}={name}"], plugins), kind).offer.name == name


@pytest.mark.parametrize("kind", CHECKS)
def test_every_offer_of_the_sources_is_tried(plugins_of, kind):
    offers = plugins_of(SOURCES[kind]).offers({"loss": "losses"}.get(kind, f"{kind}s"))
    there = {name for name, offer in offers.items() if not offer.origin.startswith("archspec ")}
    assert there == {*FAULTS[kind], *SOUND[kind]}


def test_state_that_comes_back_as_something_else_is_found(monkeypatch):
    """Of RMSprop's count no weight depends: its type alone shows it."""
    from archspec.testing import optimizers

    def restore(optimizer, network, tensors):
        counted = {name: value.double() if name.endswith("/step") else value for name, value in tensors.items()}
        restored(optimizer, network, counted)

    restored = optimizers.restore_optimizer
    monkeypatch.setattr(optimizers, "restore_optimizer", restore)
    with pytest.raises(AssertionError, match="its state is not the same once it was saved and restored"):
        check_optimizer("rmsprop", plugins=Plugins(installed=False), cases=1)


def test_options_are_drawn_and_may_be_held(plugins_of):
    source = """
    class Power(Options):
        power: Annotated[int, Field(ge=0, le=2)] = 0
        scale: float

    @hookimpl
    def archspec_schedules():
        return {"power": Offer(Power, lambda options, steps: lambda step: options.scale * 2.0 ** options.power)}
    """
    with pytest.raises(AssertionError, match=r"its factor is 1\.2, and must be from 0 to 1.*(?s:.*)power: 2"):
        check_schedule("power", plugins=plugins_of(source), options={"scale": 0.3})
    check_schedule("power", plugins=plugins_of(source), options={"scale": 0.2})


def test_an_unknown_loss_is_the_callers_error():
    plugins = Plugins(installed=False)
    with pytest.raises(archspec.errors.PluginError, match=r"unknown loss 'focl'; did you mean 'focal'\?"):
        check_loss("focl", plugins=plugins)


@pytest.mark.parametrize(("kind", "name"), [("optimizer", "adafactor"), ("schedule", "step"), ("loss", "bce")])
def test_random_numbers_are_as_if_nothing_was_checked(kind, name):
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    CHECKS[kind](name, plugins=Plugins(installed=False), cases=2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]
