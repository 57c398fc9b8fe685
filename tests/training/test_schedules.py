"""Schedules against torch's over whole runs, by hand where torch has none, and how a recipe warms up and cools down."""

import math

import pytest
import torch
from torch.optim import lr_scheduler

from archspec.plugins import Plugins
from archspec.spec.settings import default_options
from archspec.training.optimization import learning_rate

PLUGINS = Plugins(installed=False)


def factors(name, steps, **options):
    found = default_options("schedules", name, PLUGINS, **options)
    schedule = found.offer.make(found, steps)
    return [schedule(step) for step in range(steps)]


def torch_factors(make, steps):
    """What torch's scheduler makes of a rate of 1, step by step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, found = make(optimizer), []
    for _ in range(steps):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("steps", [1, 2, 7, 300])
@pytest.mark.parametrize("end", [0.0, 0.25])
def test_cosine_is_torchs(steps, end):
    expected = torch_factors(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=end), steps)
    assert factors("cosine", steps, end=end) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 7, 300])
@pytest.mark.parametrize("power", [1.0, 0.9, 2.0])
def test_polynomial_is_torchs(steps, power):
    expected = torch_factors(lambda optimizer: lr_scheduler.PolynomialLR(optimizer, steps, power), steps)
    assert factors("polynomial", steps, power=power) == pytest.approx(expected, abs=1e-9)


def test_a_polynomial_may_end_above_zero():
    assert factors("polynomial", 4, end=0.2) == pytest.approx([1.0, 0.8, 0.6, 0.4])


@pytest.mark.parametrize("milestones", [(0.5, 0.75), (0.7,), (0.3, 0.6, 0.9), (0.001,)])
@pytest.mark.parametrize("steps", [1, 10, 300])
def test_step_is_torchs(steps, milestones):
    """0.7 * 10 is a little more than 7, and the rate falls at step 7."""
    at = [max(1, round(share * steps)) for share in milestones]
    expected = torch_factors(lambda optimizer: lr_scheduler.MultiStepLR(optimizer, at, 0.2), steps)
    assert factors("step", steps, milestones=list(milestones), gamma=0.2) == pytest.approx(expected)


def test_steps_are_by_default_those_of_he_et_al():
    """A tenth after 32k and 48k of 64k iterations, as for CIFAR-10."""
    found = factors("step", 64)
    assert [found.count(pytest.approx(value)) for value in (1.0, 0.1, 0.01)] == [32, 16, 16]


@pytest.mark.parametrize("shape", ["cosine", "linear"])
@pytest.mark.parametrize(("steps", "rise"), [(10, 0.3), (300, 0.3), (300, 0.45), (20, 0.9), (7, 0.5)])
def test_one_cycle_is_torchs(steps, rise, shape):
    def one_cycle(optimizer):
        anneal = {"cosine": "cos", "linear": "linear"}[shape]
        return lr_scheduler.OneCycleLR(
            optimizer, 1.0, total_steps=steps + 1, pct_start=rise, anneal_strategy=anneal, cycle_momentum=False
        )

    expected = torch_factors(one_cycle, steps + 1)
    assert factors("one-cycle", steps + 1, rise=rise, shape=shape) == pytest.approx(expected, abs=1e-9)


def test_one_cycle_of_few_steps_is_its_fall():
    assert factors("one-cycle", 1) == [1.0]
    assert factors("one-cycle", 2) == pytest.approx([1.0, 4e-6])
    assert factors("one-cycle", 5, rise=0, end=0.5, shape="linear") == pytest.approx([1, 0.875, 0.75, 0.625, 0.5])


def test_one_cycle_has_no_warm_up_where_none_is_asked_for(recipe):
    """The whole run is torch's."""
    rate = learning_rate(recipe("epochs=10", "schedule=one-cycle"), 8)
    make = lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=80, cycle_momentum=False)  # noqa: E731
    assert [rate(step) for step in range(80)] == pytest.approx(torch_factors(make, 80), abs=1e-9)


def test_a_warm_up_rises_to_where_the_schedule_begins(recipe):
    rate = learning_rate(recipe("epochs=10", "warmup_epochs=0.5", "schedule={type: one-cycle, start: 0.5}"), 8)
    assert [rate(step) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert max(rate(step) for step in range(80)) == pytest.approx(1.0, abs=1e-2)


@pytest.mark.parametrize("schedule", ["cosine", "step", "polynomial", "constant"])
def test_the_warm_up_is_one_epoch_where_nothing_is_said(recipe, schedule):
    said, unsaid = (
        learning_rate(recipe("epochs=20", f"schedule={schedule}", *more), 8) for more in ([], ["warmup_epochs=1"])
    )
    assert [said(step) for step in range(160)] == [unsaid(step) for step in range(160)]
    assert [said(step) for step in (0, 7, 8)] == pytest.approx([1 / 9, 8 / 9, 1.0])


def test_the_cool_down_stays_at_the_schedules_last_rate(recipe):
    """20 epochs of 8 steps: one of warm-up, 16 of the schedule, 3 of cool-down."""
    rate = learning_rate(recipe("epochs=20", "cooldown_epochs=3"), 8)
    falling = [(1 + math.cos(math.pi * step / 128)) / 2 for step in range(128)]
    assert [rate(step) for step in range(8, 136)] == pytest.approx(falling)
    assert {rate(step) for step in range(136, 160)} == {rate(135)}


def test_the_cool_down_takes_half_of_a_short_run_at_most(recipe):
    rate = learning_rate(recipe("epochs=2", "cooldown_epochs=9", "warmup_epochs=0", "schedule=polynomial"), 8)
    assert [rate(step) for step in range(16)] == pytest.approx([1 - step / 8 for step in range(8)] + [1 / 8] * 8)


@pytest.mark.parametrize("schedule", sorted(PLUGINS.offers("schedules")))
def test_a_run_of_one_step_has_a_rate(recipe, schedule):
    rate = learning_rate(recipe("epochs=1", f"schedule={schedule}", "cooldown_epochs=1"), 1)
    assert rate(0) == 1.0
