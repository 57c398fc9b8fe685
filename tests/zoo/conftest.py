"""What the comparisons with timm share."""

import pytest
import torch
from torch import nn

import archspec
from archspec.weights.keymaps import foreign_names


def randomise(network):
    """Weights and statistics that no two channels share, so that a swapped tensor shows."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))
        elif name.endswith("running_var") or (tensor.ndim == 1 and tensor.is_floating_point()):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return network


def outputs(networks, images):
    """What each network makes of the images; random layers draw alike."""
    made = []
    for network in networks:
        torch.manual_seed(2)
        made.append(network(images))
    return made


def assert_same(ours, theirs, what, *, exact):
    """Equal to the bit, or within float32 rounding of the tensor's largest number."""
    theirs = theirs.reshape(ours.shape)
    room = 0.0 if exact else 1e-4 * theirs.abs().max().item()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=room, msg=lambda text: f"{what}: {text}")


@pytest.fixture
def compare_networks():
    """Compares a network of timm's with a spec's: outputs in both modes, and every tensor after a training step."""

    def compare(theirs, spec, *, exact, images=2, size=(64, 64)):
        torch.manual_seed(0)
        ours = archspec.build_network(spec)
        loaded = archspec.load_weights(ours, randomise(theirs).state_dict())
        names = dict(foreign_names(ours.plan))[loaded.naming]
        assert len(loaded.copied) == len(theirs.state_dict())
        assert ours.plan.parameters == sum(parameter.numel() for parameter in theirs.parameters())
        pixels = torch.randn(images, 3, *size, generator=torch.Generator().manual_seed(1))
        networks = (ours, theirs)
        with torch.no_grad():
            assert_same(*outputs([network.eval() for network in networks], pixels), "evaluated", exact=exact)
        made = outputs([network.train() for network in networks], pixels)
        assert_same(*made, "trained", exact=exact)
        for output in made:
            nn.functional.cross_entropy(output, torch.arange(images)).backward()
        parameters = dict(theirs.named_parameters())
        for name, parameter in ours.named_parameters():
            assert_same(parameter.grad, parameters[names[name]].grad, f"gradient of {name}", exact=exact)
        for network in networks:
            torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4).step()
        state = theirs.state_dict()
        for name, tensor in ours.state_dict().items():
            assert_same(tensor, state[names[name]], f"{name} after a step", exact=exact)
        return ours

    return compare
