"""What decays, how a step updates the weights, and the learning rate at every step."""

import math

import pytest
import torch
from torch import nn

import archspec
from archspec.training.optimization import learning_rate, make_optimizer


@pytest.fixture(scope="module")
def network(spec_file):
    torch.manual_seed(0)
    return archspec.build_network(spec_file)


@pytest.mark.parametrize("optimizer", ["{type: sgd, weight_decay: 0.01}", "{type: adamw, weight_decay: 0.01}"])
def test_weights_decay_and_norms_and_biases_do_not(network, recipe, optimizer):
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = make_optimizer(recipe(f"optimizer={optimizer}"), network).param_groups
    found = {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}
    assert set(found) == set(names.values())
    for name, module in network.named_modules():
        for kind, _ in module.named_parameters(recurse=False):
            decays = kind == "weight" and isinstance(module, nn.Conv2d | nn.Linear)
            assert found[f"{name}.{kind}"] == (0.01 if decays else 0.0)


def test_parameters_are_in_one_group_each(network, recipe):
    groups = make_optimizer(recipe(), network).param_groups
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


@pytest.mark.parametrize("nesterov", [True, False])
def test_a_step_of_sgd_is_the_papers_update(recipe, nesterov):
    """v = m v + g + d w;  w -= lr (g + d w + m v), or lr v without Nesterov's look ahead."""
    layer = nn.Linear(3, 2).double()
    settings = f"{{type: sgd, lr: 0.3, momentum: 0.8, nesterov: {str(nesterov).lower()}, weight_decay: 0.05}}"
    optimizer = make_optimizer(recipe(f"optimizer={settings}"), layer)
    expected = {name: [p.detach().clone(), torch.zeros_like(p)] for name, p in layer.named_parameters()}
    for step in range(4):
        for number, (name, parameter) in enumerate(layer.named_parameters()):
            parameter.grad = torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(step + 10 * number), dtype=torch.float64
            )
            weight, momentum = expected[name]
            gradient = parameter.grad + (0.05 * weight if name == "weight" else 0)
            momentum = 0.8 * momentum + gradient
            expected[name] = [weight - 0.3 * (gradient + 0.8 * momentum if nesterov else momentum), momentum]
        optimizer.step()
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name][0], rtol=1e-9, atol=1e-12)


def test_sgd_without_momentum_needs_no_nesterov(recipe):
    layer = nn.Linear(2, 2)
    before = layer.weight.detach().clone()
    optimizer = make_optimizer(recipe("optimizer={type: sgd, lr: 0.5, momentum: 0, weight_decay: 0}"), layer)
    layer.weight.grad = torch.ones(2, 2)
    optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), before - 0.5)


def test_a_step_of_adamw_is_the_papers_update(recipe):
    layer = nn.Linear(3, 2, bias=False).double()
    settings = "{type: adamw, lr: 0.01, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0.1}"
    optimizer = make_optimizer(recipe(f"optimizer={settings}"), layer)
    weight, first, second = layer.weight.detach().clone(), 0.0, 0.0
    for step in range(1, 4):
        gradient = torch.randn(2, 3, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
        layer.weight.grad = gradient.clone()
        optimizer.step()
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        adam = (first / (1 - 0.9**step)) / ((second / (1 - 0.99**step)).sqrt() + 1e-8)
        weight = weight - 0.01 * 0.1 * weight - 0.01 * adam
    torch.testing.assert_close(layer.weight.detach(), weight, rtol=1e-6, atol=1e-9)


def test_the_rate_rises_in_a_line_and_falls_in_a_cosine(recipe):
    """30 epochs of 10 steps, one of them warm-up: steps 0 to 9 rise, 10 to 299 fall."""
    rate = learning_rate(recipe("epochs=30", "warmup_epochs=1"), 10)
    for step in range(10):
        assert rate(step) == pytest.approx((step + 1) / 11)
    for step in range(10, 300):
        assert rate(step) == pytest.approx((1 + math.cos(math.pi * (step - 10) / 290)) / 2)
    assert rate(10) == 1.0
    assert 0 < rate(299) < 1e-4


def test_a_cosine_may_end_above_zero(recipe):
    rate = learning_rate(recipe("epochs=10", "warmup_epochs=0", "schedule={type: cosine, end: 0.25}"), 8)
    assert rate(0) == 1.0
    assert rate(40) == pytest.approx(0.625)
    assert rate(79) == pytest.approx(0.25, abs=1e-3)


def test_a_constant_schedule_warms_up_too(recipe):
    rate = learning_rate(recipe("epochs=10", "warmup_epochs=0.5", "schedule=constant"), 8)
    assert [round(rate(step), 6) for step in range(6)] == [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]


def test_the_warm_up_takes_a_tenth_of_a_short_run_at_most(recipe):
    rate = learning_rate(recipe("epochs=2", "warmup_epochs=5"), 10)
    assert [rate(step) for step in (0, 1, 2)] == [pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0]


def test_the_rate_is_a_pure_function_of_the_step(recipe):
    one, other = (learning_rate(recipe("epochs=5"), 7) for _ in range(2))
    forward = [one(step) for step in range(35)]
    assert forward == [other(step) for step in reversed(range(35))][::-1]
    assert forward == [one(step) for step in range(35)]
