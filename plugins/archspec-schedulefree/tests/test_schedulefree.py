"""The optimizers: what a run relies on, and the package's own with the same gradients."""

import copy

import archspec_schedulefree
import pytest
import schedulefree
import torch
from archspec_schedulefree import optimizers
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
    ours.eval()
    theirs.eval()
    assert same(network, other)
    at_average = values(network)
    ours.train()
    theirs.train()
    for number in range(12, 16):
        for net, optimizer in ((network, ours), (other, theirs)):
            step(net, optimizer, number)
    for a, b, before in zip(values(network), values(other), at_average, strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-8)
        assert not torch.equal(a, before)


def test_the_average_is_that_of_the_weights(network):
    """With a constant rate, r = 0 and no momentum of the average: x is the plain mean of all z.  Section 2."""
    optimizer = optimizers.SGD([{"params": list(network.parameters()), "weight_decay": 0.0}], lr=0.05, momentum=0.5)
    first, visited = next(network.parameters()), []
    for number in range(6):
        step(network, optimizer, number)
        visited.append(optimizer.state[first]["z"].clone())
    optimizer.eval()
    assert torch.allclose(first, torch.stack(visited).mean(0), atol=1e-10)


@pytest.mark.parametrize("name", OURS)
def test_evaluations_leave_no_trace(network, name):
    other = copy.deepcopy(network)
    ours, without = OURS[name](groups_of(network), **OPTIONS), OURS[name](groups_of(other), **OPTIONS)
    for number in range(10):
        step(network, ours, number)
        step(other, without, number)
        before = values(network)
        ours.eval()
        ours.eval()  # the second time does nothing
        averages = values(network)
        ours.train()
        ours.train()
        assert all(torch.equal(a, b) for a, b in zip(values(network), before, strict=True))
    assert same(network, other)
    assert any(not torch.equal(a, b) for a, b in zip(averages, before, strict=True))


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
@pytest.mark.parametrize("averaged", [False, True])
def test_a_checkpoint_goes_on_to_the_bit(network, name, averaged):
    """Whether it was written while the parameters held y, or the averages."""
    optimizer = OURS[name](groups_of(network), **OPTIONS)
    for number in range(7):
        step(network, optimizer, number)
    if averaged:
        optimizer.eval()
    again, other = restored(optimizer, network, name)
    for net, one in ((network, optimizer), (other, again)):
        one.train()
        for number in range(7, 12):
            step(net, one, number)
        one.eval()
    assert same(network, other)


def test_a_restored_average_can_be_evaluated_at_once(network):
    optimizer = optimizers.AdamW(groups_of(network), **OPTIONS)
    for number in range(4):
        step(network, optimizer, number)
    optimizer.eval()
    again, other = restored(optimizer, network, "adamw")
    again.eval()
    assert same(network, other)


def test_a_group_that_is_frozen_counts_no_steps(network):
    """It begins as if the run did, once it trains: its first steps are corrected as first steps."""
    frozen = groups_of(network)[0]["params"]
    optimizer = optimizers.AdamW(groups_of(network), **OPTIONS)
    for parameter in frozen:
        parameter.requires_grad_(False)
    before = [parameter.clone() for parameter in frozen]
    for number in range(3):
        step(network, optimizer, number)
    optimizer.eval()
    assert all(torch.equal(a, b) for a, b in zip(frozen, before, strict=True))
    optimizer.train()
    assert [group["k"] for group in optimizer.param_groups] == [0, 3]
    for parameter in frozen:
        parameter.requires_grad_(True)
    step(network, optimizer, 3)
    assert [group["k"] for group in optimizer.param_groups] == [1, 4]
    again, _ = restored(optimizer, network, "adamw")
    step(network, again, 4)
    assert [group["k"] for group in again.param_groups] == [0, 0]  # of a copy: it took part in no step


def test_options_reach_the_optimizer(network):
    options = archspec_schedulefree.RAdamOptions(lr=0.01, betas=(0.8, 0.95), eps=1e-6, r=0.75, weight_lr_power=1.0)
    made = archspec_schedulefree.radam(options, groups_of(network))
    for group in made.param_groups:
        wanted = {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "r": 0.75, "weight_lr_power": 1.0}
        assert {key: group[key] for key in wanted} == wanted
        assert group["silent_sgd_phase"] is True
