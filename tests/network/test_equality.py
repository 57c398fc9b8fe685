"""The compiled networks equal torchvision's and timm's, to the bit: outputs in both modes, and every gradient."""

import pytest
import timm
import torch
import torchvision

import archspec
from archspec.weights.keymaps import foreign_names


def assert_equal_to_the_bit(name, reference, size=64):
    ours = archspec.build_network(name)
    loaded = archspec.load_weights(ours, reference.state_dict())
    assert loaded.naming == "torchvision"
    names = dict(foreign_names(ours.plan))["torchvision"]
    assert set(names.values()) == set(reference.state_dict())
    assert set(names) == set(ours.state_dict()) == set(loaded.copied)
    x = torch.randn(2, 3, size, size)
    for training in (False, True):
        ours.train(training).zero_grad()
        reference.train(training).zero_grad()
        a, b = ours(x), reference(x)
        assert torch.equal(a, b)
        (a * torch.linspace(-1, 1, a.shape[1])).sum().backward()
        (b * torch.linspace(-1, 1, b.shape[1])).sum().backward()
        theirs = dict(reference.named_parameters())
        for parameter_name, parameter in ours.named_parameters():
            assert torch.equal(parameter.grad, theirs[names[parameter_name]].grad), parameter_name
    state = reference.state_dict()  # the running statistics have moved alike
    assert all(torch.equal(tensor, state[names[key]]) for key, tensor in ours.state_dict().items())


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_a_network_equals_torchvision_to_the_bit(randomise, name):
    torch.manual_seed(0)
    assert_equal_to_the_bit(name, randomise(getattr(torchvision.models, name)()))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_network_equals_timm_to_the_bit(randomise, name):
    torch.manual_seed(0)
    assert_equal_to_the_bit(name, randomise(timm.create_model(name, pretrained=False)), size=75)


@pytest.mark.parametrize(
    ("overrides", "reference"),
    [
        (("stages.*.zero_init_residual=true",), lambda: torchvision.models.resnet50(zero_init_residual=True)),
        (("stages.*.groups=32", "stages.0.filters=128", "stages.1.filters=256"), None),
    ],
)
def test_options_equal_torchvisions(randomise, overrides, reference):
    spec = archspec.load_spec("resnet50", overrides)
    if reference is None:  # ResNeXt-50 32x4d: twice the width of the 3x3, half the expansion
        doubled = [f"stages.{i}.filters={128 * 2**i}" for i in range(4)]
        spec = archspec.load_spec("resnet50", [*doubled, "stages.*.groups=32", "stages.*.expansion=2"])
        reference = torchvision.models.resnext50_32x4d
    ours, theirs = archspec.build_network(spec), randomise(reference())
    archspec.load_weights(ours, theirs.state_dict())
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


def test_tensor_names_and_shapes_are_the_plans_in_its_order(small_file):
    for name in (small_file, "resnet50", "seed-resnet26"):
        network = archspec.build_network(name)
        planned = list(network.plan.tensors())
        state = network.state_dict()
        assert list(state) == [tensor for tensor, _, _ in planned]
        assert [tuple(tensor.shape) for tensor in state.values()] == [shape for _, shape, _ in planned]
        assert [n for n, _ in network.named_parameters()] == [tensor for tensor, _, trained in planned if trained]
