"""What may be overwritten: a plugin's block can read a value twice, or add to what its own backward pass reads."""

import copy

import pytest
import torch

import archspec
from archspec.plugins import Plugins

PLUGIN = """
from archspec import BlockOptions, Offer, hookimpl


def preactivated(net, x, block):
    y = net.conv(net.act(x), block.filters, 3, name="conv1")
    return net.add(net.conv(net.act(y), block.filters, 3, name="conv2"), x)


def activated(net, x, block):
    return net.add(net.act(net.conv(x, block.filters, 3)), x)


def twice(net, x, block):
    y = net.norm(net.conv(x, block.filters, 3))
    return net.add(net.add(net.act(y), y), net.act(x))


def doubled(net, x, block):
    return net.act(net.add(x, x))


def dropped(net, x, block):
    y = net.norm(net.conv(x, block.filters, 3))
    return net.act(net.add(net.add(net.drop_path(y, 0.5), x), y))


def dropped_out(net, x, block):
    y = net.norm(net.conv(x, block.filters, 3))
    return net.act(net.add(net.add(net.dropout(y, 0.5), x), y))


@hookimpl
def archspec_blocks():
    return {
        block.__name__: Offer(BlockOptions, block)
        for block in (preactivated, activated, twice, doubled, dropped, dropped_out)
    }
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "plugin_in_place.py").write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield Plugins(["plugin_in_place"], installed=False)


def evaluate(model, x):
    torch.manual_seed(1)  # what is dropped is dropped in both
    return model(x)


BLOCKS = ("preactivated", "activated", "twice", "doubled", "dropped", "dropped_out", "basic", "bottleneck")


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("activation", ["relu", "silu", "elu", "none"])
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("training", [True, False])
def test_outputs_and_gradients_are_those_of_the_network_out_of_place(
    plugins, write_spec, block, activation, norm, training
):
    text = f"""name: x
defaults: {{activation: {activation}, norm: {norm}}}
input: {{size: 8}}
stem: {{type: conv, filters: 4, kernel: 3, strides: 1, activation: none}}
stages: [{{block: {block}, filters: 4, repeats: 2}}]
head: {{type: classifier, classes: 3}}
"""
    network = archspec.build_network(archspec.load_spec(write_spec(text), plugins=plugins)).double().train(training)
    plain = copy.deepcopy(network)
    for module in plain.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    before = x.clone()
    a, b = (evaluate(model, x) for model in (network, plain))
    assert torch.allclose(a, b, rtol=1e-12)
    assert torch.equal(x, before), "the caller's images were overwritten"
    a.square().sum().backward()
    b.square().sum().backward()
    for (name, mine), other in zip(network.named_parameters(), plain.parameters(), strict=True):
        assert torch.allclose(mine.grad, other.grad, rtol=1e-9), name


def test_what_can_run_in_place_does(network_of, small_text):
    network = network_of(small_text)
    assert network.get_submodule("stages.1.0.act").inplace
    assert network.get_submodule("stages.1.0.add").inplace
