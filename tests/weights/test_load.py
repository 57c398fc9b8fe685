"""Weights into a network: every tensor is accounted for."""

import copy

import pytest
import torch
import torchvision
from safetensors.torch import save_file

import archspec
from archspec.errors import WeightsError


@pytest.fixture
def network(small_file):
    return archspec.build_network(small_file)


@pytest.fixture
def state(small_file):
    torch.manual_seed(7)
    return {
        name: torch.rand_like(tensor) + 0.5 if tensor.is_floating_point() else tensor + 3
        for name, tensor in archspec.build_network(small_file).state_dict().items()
    }


def refused(network, weights):
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(WeightsError) as caught:
        archspec.load_weights(network, weights)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items()), "half loaded"
    return caught.value.message


def test_every_tensor_is_copied_and_named(network, state):
    loaded = archspec.load_weights(network, state)
    assert loaded.naming == "archspec"
    assert loaded.copied == tuple(state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_the_given_tensors_are_copied_and_not_shared(network, state):
    archspec.load_weights(network, state)
    state["head.linear.bias"].zero_()
    assert network.head.linear.bias.abs().sum() > 0


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_are_loaded_from_a_file(network, state, tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    archspec.load_weights(network, str(path))
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


def test_a_missing_tensor_is_named(network, state):
    del state["stages.1.0.conv2.weight"]
    assert refused(network, state) == "the state dict does not fit small: 1 missing: stages.1.0.conv2.weight"


def test_an_unknown_tensor_is_named(network, state):
    state["stages.9.conv.weight"] = torch.zeros(1)
    assert refused(network, state) == "the state dict does not fit small: 1 unknown: stages.9.conv.weight"


def test_a_tensor_of_another_shape_is_named_with_both_shapes(network, state):
    state["head.linear.weight"] = torch.zeros(1000, 64)
    message = refused(network, state)
    assert message.endswith("1 of another shape: head.linear.weight: (1000, 64) there, (10, 64) here")


def test_a_tensor_that_could_be_broadcast_is_of_another_shape_too(network, state):
    state["stem.norm.weight"] = torch.zeros(1)
    assert "stem.norm.weight: (1,) there, (16,) here" in refused(network, state)


def test_everything_that_is_wrong_is_said_at_once(network, state):
    del state["stem.norm.weight"], state["stem.norm.bias"]
    state["x"], state["stem.conv.weight"] = torch.zeros(1), torch.zeros(2)
    message = refused(network, state)
    assert "2 missing: stem.norm.weight, stem.norm.bias" in message
    assert "1 of another shape: stem.conv.weight" in message
    assert "1 unknown: x" in message


def test_weights_of_another_network_are_refused_in_a_short_message(network):
    message = refused(network, torchvision.models.resnet18().state_dict())
    assert "does not fit small" in message
    assert len(message) < 500


def test_a_file_is_named_in_the_message(network, state, tmp_path):
    del state["stem.conv.weight"]
    torch.save(state, tmp_path / "w.pth")
    assert str(tmp_path / "w.pth") in refused(network, tmp_path / "w.pth")


def test_counters_of_batches_may_be_missing_as_in_old_files(network, state):
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    assert archspec.load_weights(network, old).copied == tuple(old)


def test_torchvision_names_are_recognised_and_each_lands_in_its_place():
    reference = torchvision.models.resnet18()
    network = archspec.build_network("resnet18")
    loaded = archspec.load_weights(network, reference.state_dict())
    assert loaded.naming == "torchvision"
    ours, theirs = network.state_dict(), reference.state_dict()
    for name, other in {
        "stem.conv.weight": "conv1.weight",
        "stem.norm.running_var": "bn1.running_var",
        "stages.0.0.conv2.weight": "layer1.0.conv2.weight",
        "stages.3.1.norm1.bias": "layer4.1.bn1.bias",
        "stages.2.0.shortcut.conv.weight": "layer3.0.downsample.0.weight",
        "stages.1.0.shortcut.norm.running_mean": "layer2.0.downsample.1.running_mean",
        "head.linear.bias": "fc.bias",
    }.items():
        assert torch.equal(ours[name], theirs[other])


def test_the_shared_imagenet_weights_load(shared):
    path = shared / "weights" / "resnet18-imagenet.pth"
    if not path.is_file():
        pytest.skip(f"there are no weights at {path}")
    network = archspec.build_network("resnet18").eval()
    loaded = archspec.load_weights(network, path)
    assert loaded.naming == "torchvision"
    reference = torchvision.models.resnet18()
    reference.load_state_dict(torch.load(path, weights_only=True))
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(network(x), reference.eval()(x))


def test_a_folded_network_takes_no_weights_and_says_how_to_give_them(network, state):
    folded = archspec.compile_network(network.plan, fold=True, state=state)
    with pytest.raises(WeightsError, match="folded") as caught:
        archspec.load_weights(folded, state)
    assert "fold=True" in caught.value.help


def test_a_prefix_takes_its_part_of_the_whole_state(network, state):
    prefix = archspec.compile_network(network.plan, end="stages.1")
    loaded = archspec.load_weights(prefix, state)
    assert loaded.copied == tuple(prefix.state_dict())
    own = {name: tensor for name, tensor in state.items() if name in prefix.state_dict()}
    assert archspec.load_weights(prefix, own).copied == tuple(own)


def test_half_precision_is_converted(network, state):
    half = {name: t.half() if t.is_floating_point() else t for name, t in state.items()}
    archspec.load_weights(network, half)
    assert network.head.linear.bias.dtype == torch.float32
    assert torch.equal(network.head.linear.bias, half["head.linear.bias"].float())


def test_gradients_are_still_wanted_after_loading(network, state):
    archspec.load_weights(network, state)
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in network.parameters())
