"""The optimizers: what a run relies on, and the package's own with the same gradients."""

import copy
import json
import signal
import subprocess
import sys

import archspec_schedulefree
import numpy as np
import pytest
import schedulefree
import torch
from archspec_schedulefree import optimizers
from halting import Halting
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from archspec.testing import check_optimizer

OURS = {"sgd": optimizers.SGD, "adamw": optimizers.AdamW, "radam": optimizers.RAdam}
THEIRS = {
    "sgd": schedulefree.SGDScheduleFree,
    "adamw": schedulefree.AdamWScheduleFree,
    "radam": schedulefree.RAdamScheduleFree,
}
OPTIONS = {"lr": 0.05, "weight_lr_power": 2.0, "r": 0.5}


@pytest.fixture
def network():
    torch.manual_seed(0)
    first = nn.Conv2d(3, 4, 3, bias=False)  # a bias before a norm has a gradient of rounding alone
    return nn.Sequential(first, nn.BatchNorm2d(4), nn.Conv2d(4, 6, 1), nn.Flatten(), nn.Linear(96, 2)).double()


def groups_of(network):
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return [{"params": weights, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]


def step(network, optimizer, number, rate=0.05):
    """One step on images that its number fixes, at a rate as a schedule would set it."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    generator = torch.Generator().manual_seed(number)
    network(torch.randn(4, 3, 6, 6, generator=generator, dtype=torch.float64)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()


def values(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(values(one), values(other), strict=True))


@pytest.mark.parametrize("name", OURS)
def test_the_optimizer(name):
    check_optimizer(f"schedule-free-{name}")


@pytest.mark.parametrize("name", OURS)
def test_it_steps_as_the_packages_own(network, name):
    """With a warm-up by the rate; the package computes y anew after each evaluation, and so rounds it."""
    other = copy.deepcopy(network)
    ours, theirs = OURS[name](groups_of(network), **OPTIONS), THEIRS[name](groups_of(other), **OPTIONS)
    theirs.train()
    for number in range(12):
        for net, optimizer in ((network, ours), (other, theirs)):
            step(net, optimizer, number, rate=0.05 * min(1, (number + 1) / 5))
    assert same(network, other)
    averages = at_average(ours, network)
    theirs.eval()
    assert all(torch.equal(a, b) for a, b in zip(averages, values(other), strict=True))
    theirs.train()
    for number in range(12, 16):
        for net, optimizer in ((network, ours), (other, theirs)):
            step(net, optimizer, number)
    for a, b in zip(values(network), values(other), strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-8)


def test_the_average_is_that_of_the_weights(network):
    """With a constant rate, r = 0 and no momentum of the average: x is the plain mean of all z.  Section 2."""
    optimizer = optimizers.SGD([{"params": list(network.parameters()), "weight_decay": 0.0}], lr=0.05, momentum=0.5)
    first, visited = next(network.parameters()), []
    for number in range(6):
        step(network, optimizer, number)
        visited.append(optimizer.state[first]["z"].clone())
    optimizer.eval()
    assert torch.allclose(first, torch.stack(visited).mean(0), atol=1e-10)


def at_average(optimizer, network):
    """What a run does around an evaluation: it keeps the network, tells of the events, and puts it back."""
    kept = values(network)
    optimizer.before_evaluation(None)
    averages = values(network)
    optimizer.after_evaluation(None, None)
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), kept, strict=True):
            parameter.copy_(value)
    return averages


@pytest.mark.parametrize("name", OURS)
def test_evaluations_leave_no_trace(network, name):
    other = copy.deepcopy(network)
    ours, without = OURS[name](groups_of(network), **OPTIONS), OURS[name](groups_of(other), **OPTIONS)
    for number in range(10):
        step(network, ours, number)
        step(other, without, number)
        averages = at_average(ours, network)
    assert same(network, other)
    assert any(not torch.equal(a, b) for a, b in zip(averages, values(network), strict=True))


def restored(optimizer, network, kind):
    """A new optimizer over a copy, with the state as a checkpoint holds it: tensors by parameter."""
    other = copy.deepcopy(network)
    again = OURS[kind](groups_of(other), **OPTIONS)
    for parameter, copied in zip(network.parameters(), other.parameters(), strict=True):
        for key, value in optimizer.state[parameter].items():
            assert isinstance(value, torch.Tensor)
            again.state[copied][key] = value.clone()
    return again, other


@pytest.mark.parametrize("name", OURS)
def test_a_checkpoint_goes_on_to_the_bit(network, name):
    """At a falling rate, so that the highest one so far is another than the next."""
    optimizer = OURS[name](groups_of(network), **OPTIONS)
    for number in range(7):
        step(network, optimizer, number, rate=0.05 / (number + 1))
    again, other = restored(optimizer, network, name)
    for net, one in ((network, optimizer), (other, again)):
        for number in range(7, 12):
            step(net, one, number, rate=0.05 / (number + 1))
    assert same(network, other)
    ours, theirs = at_average(optimizer, network), at_average(again, other)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_group_that_is_frozen_counts_no_steps(network):
    """It begins as if the run did, once it trains: its first steps are corrected as first steps."""
    frozen = groups_of(network)[0]["params"]
    optimizer = optimizers.AdamW(groups_of(network), **OPTIONS)
    for parameter in frozen:
        parameter.requires_grad_(False)
    before = [parameter.clone() for parameter in frozen]
    for number in range(3):
        step(network, optimizer, number)
    assert all(torch.equal(a, b) for a, b in zip(frozen, before, strict=True))
    averages = dict(zip(network.parameters(), at_average(optimizer, network), strict=True))
    assert all(torch.equal(averages[parameter], value) for parameter, value in zip(frozen, before, strict=True))
    assert [group["k"] for group in optimizer.param_groups] == [0, 3]
    for parameter in frozen:
        parameter.requires_grad_(True)
    step(network, optimizer, 3)
    assert [group["k"] for group in optimizer.param_groups] == [1, 4]
    again, _ = restored(optimizer, network, "adamw")
    step(network, again, 4)
    assert [group["k"] for group in again.param_groups] == [0, 0]  # of a copy: it took part in no step


def test_a_checkpoint_counts_from_the_last_step_of_a_group_whose_first_parameter_was_frozen(network):
    """The counts then lie with two parameters, and those of the last step are the larger."""
    first = next(network.parameters()).requires_grad_(False)
    optimizer = optimizers.AdamW(groups_of(network), **OPTIONS)
    for number in range(3):
        step(network, optimizer, number)
    first.requires_grad_(True)
    for number in range(3, 5):
        step(network, optimizer, number)
    again, other = restored(optimizer, network, "adamw")
    step(other, again, 5)
    assert [group["k"] for group in again.param_groups] == [6, 6]


def test_a_group_at_a_rate_of_zero_counts_no_steps(network):
    optimizer = optimizers.AdamW(groups_of(network), **OPTIONS)
    before = values(network)
    step(network, optimizer, 0, rate=0.0)
    assert [group["k"] for group in optimizer.param_groups] == [0, 0]
    assert all(torch.equal(a, b) for a, b in zip(before, values(network), strict=True))


COMMON = {"lr": 0.01, "r": 0.75, "weight_lr_power": 1.0}
ADAM = COMMON | {"betas": (0.8, 0.95), "eps": 1e-6}


@pytest.mark.parametrize(
    ("kind", "make", "given"),
    [
        ("SgdOptions", "sgd", COMMON | {"momentum": 0.7}),
        ("AdamWOptions", "adamw", ADAM),
        ("RAdamOptions", "radam", ADAM | {"silent_sgd_phase": False}),
    ],
)
def test_options_reach_the_optimizer(network, kind, make, given):
    options = getattr(archspec_schedulefree, kind)(**given)
    made = getattr(archspec_schedulefree, make)(options, groups_of(network))
    assert [group["weight_decay"] for group in made.param_groups] == [0.1, 0.0]
    for group in made.param_groups:
        assert {key: group[key] for key in given} == given


SPEC = """name: two-blocks
input: {channels: 3, size: 16}
stem: {type: conv, filters: 16, kernel: 3, strides: 1}
stages:
  - {block: basic, filters: 16, strides: 2}
  - {block: basic, filters: 32, strides: 2}
head: {type: classifier, classes: 2}
"""
RECIPE = """epochs: 6
batch_size: 8
optimizer: {type: schedule-free-adamw, lr: 5e-3, betas: [0.8, 0.999]}
schedule: constant
evaluate_every: 2
checkpoint_steps: 2
"""
CODE = "import sys; from archspec.cli import main; sys.exit(main())"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A spec, a recipe, and photos of two classes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    for split, count in (("train", 24), ("val", 6)):
        for label, name in enumerate(("dark", "light")):
            (tmp_path / "photos" / split / name).mkdir(parents=True)
            for number in range(count):
                noise = np.random.default_rng([label, number, count]).integers(0, 200, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(noise + np.uint8(40 * label)).save(tmp_path / f"photos/{split}/{name}/{number}.png")
    return tmp_path


def command(run):
    arguments = ["--recipe", "recipe.yaml", "--data", "imagefolder:photos", "--workers", "0"]
    return [sys.executable, "-c", CODE, "train", "spec.yaml", *arguments, "--out", run]


def test_a_run_evaluates_and_keeps_the_average_and_goes_on_from_y(folder):
    """x is computed here, of what the checkpoint holds beside it: the network that trains, and z."""
    done = subprocess.run(command("run"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    model = load_file(folder / "run" / "checkpoints" / "last" / "model.safetensors")
    state = load_file(folder / "run" / "checkpoints" / "last" / "training.safetensors")
    moved = 0
    for name, x in model.items():
        if f"optimizer/{name}/z" in state:
            y, z = state[f"network/{name}"], state[f"optimizer/{name}/z"]
            assert torch.equal(x, y.lerp(z, 1 - 1 / 0.8))
            moved += not torch.equal(x, y)
    assert moved > 10
    measured = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    done = subprocess.run(
        [sys.executable, "-c", CODE, "eval", "run", "--checkpoint", "last", "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["loss"] == pytest.approx(measured[-1]["loss"], rel=1e-5)


def test_a_second_average_is_refused(folder):
    done = subprocess.run([*command("run"), "--set", "recipe.average=0.9"], capture_output=True, text=True)
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "the recipe's `average` is of other weights" in said
    assert "leave out `average`" in said
    assert "Traceback" not in said
    assert not (folder / "run").exists()


def test_a_run_that_is_killed_ends_with_the_bits_of_one_that_was_not(folder):
    whole = subprocess.run(command("whole"), capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    event = {"at": 3 * 48 + 20, "paths": "*train/*.png", "after": folder / "killed" / "run.json", "die": True}
    with Halting(folder, *command("killed")[3:], **event) as process:
        assert process.wait() == -signal.SIGKILL, process.errors
    done = subprocess.run([sys.executable, "-c", CODE, "train", "--resume", "killed"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for file in ("model.safetensors", "training.safetensors"):
        ours, theirs = (load_file(folder / run / "checkpoints" / "last" / file) for run in ("whole", "killed"))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
