"""Folding parallel paths that no built-in block has: what is merged, what must not be, and equal outputs either way."""

import pytest
import torch
from torch import nn

import archspec
from archspec import compile_network
from archspec.network.branches import Add
from archspec.plugins import Plugins

PLUGIN = """
from archspec import BlockOptions, Offer, hookimpl


def path(net, x, name, kernel=3, norm=True, **options):
    y = net.conv(x, x.channels, kernel, name=f"conv_{name}", **options)
    return net.norm(y, name=f"norm_{name}") if norm else y


def identity_first(net, x, block):
    return net.act(net.add(x, path(net, x, "a")))


def identity_last(net, x, block):
    return net.act(net.add(path(net, x, "a"), x))


def small_first(net, x, block):
    return net.act(net.add(path(net, x, "a", 1), path(net, x, "b", 5)))


def small_last(net, x, block):
    return net.act(net.add(path(net, x, "a", 5), path(net, x, "b", 3)))


def biased(net, x, block):
    return net.act(net.add(path(net, x, "a", 3, False, bias=True), path(net, x, "b", 1, False, bias=True)))


def grouped(net, x, block):
    return net.act(net.add(path(net, x, "a", groups=2), path(net, x, "b", 1, groups=2)))


def grouped_norm(net, x, block):
    return net.act(net.add(path(net, x, "a", groups=2), net.norm(x, name="identity")))


def dilated(net, x, block):
    return net.act(net.add(path(net, x, "a", 5, dilation=2), path(net, x, "b", dilation=2)))


def other_groups(net, x, block):
    return net.act(net.add(path(net, x, "a", groups=2), path(net, x, "b", 1)))


def other_dilation(net, x, block):
    return net.act(net.add(path(net, x, "a", 5), path(net, x, "b", dilation=2)))


def other_strides(net, x, block):
    return net.act(net.add(path(net, x, "a", stride=6), path(net, x, "b", 1, stride=7)))


def other_padding(net, x, block):
    return net.act(net.add(path(net, x, "a", stride=3, padding="valid"), path(net, x, "b", 1, stride=3)))


def other_source(net, x, block):
    return net.act(net.add(path(net, net.act(path(net, x, "c")), "a"), path(net, x, "b", 1)))


def one_after_another(net, x, block):
    return net.act(net.add(path(net, path(net, x, "a"), "b"), x))


def read_before_the_norm(net, x, block):
    y = path(net, x, "a", norm=False)
    return net.act(net.add(net.act(y), net.norm(y, name="norm_a")))


def read_beside_the_sum(net, x, block):
    y = path(net, x, "a")
    return net.act(net.add(net.activation(y, "Tanh"), net.add(y, path(net, x, "b", 1))))


def twice(net, x, block):
    y = path(net, x, "a")
    return net.act(net.add(y, y))


@hookimpl
def archspec_blocks():
    blocks = (
        *(identity_first, identity_last, small_first, small_last, biased, grouped, grouped_norm, dilated),
        *(other_groups, other_dilation, other_strides, other_padding, other_source, one_after_another),
        *(read_before_the_norm, read_beside_the_sum, twice),
    )
    return {block.__name__: Offer(BlockOptions, block) for block in blocks}
"""
MERGED = (
    *("identity_first", "identity_last", "small_first", "small_last"),
    *("biased", "grouped", "grouped_norm", "dilated"),
)
APART = {
    "other_groups": 2,
    "other_dilation": 2,
    "other_strides": 2,
    "other_padding": 2,
    "other_source": 3,
    "one_after_another": 2,
    "read_before_the_norm": 1,
    "read_beside_the_sum": 2,
    "twice": 1,
}
"""The convolutions that a block keeps."""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "plugin_parallel.py").write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield Plugins(["plugin_parallel"], installed=False)


@pytest.mark.parametrize(("block", "convolutions"), [*((name, 1) for name in MERGED), *APART.items()])
def test_parallel_paths_fold_into_one_where_they_can_and_compute_the_same(
    plugins, write_spec, randomise, block, convolutions
):
    text = f"""name: x
input: {{size: 12}}
stem: {{type: conv, filters: 4, kernel: 3, strides: 1}}
stages: [{{block: {block}, filters: 4}}]
head: {{type: classifier, classes: 3}}
"""
    torch.manual_seed(0)
    spec = archspec.load_spec(write_spec(text), plugins=plugins)
    network = randomise(archspec.build_network(spec)).double().eval()
    folded = compile_network(network.plan, end="head", fold=True, state=network.state_dict()).double()
    whole = compile_network(network.plan, end="head", state=network.state_dict()).double().eval()
    images = torch.randn(2, 3, 12, 12, dtype=torch.float64)
    wanted = whole(images)
    torch.testing.assert_close(folded(images), wanted, rtol=1e-4, atol=1e-5 * wanted.abs().max().item())
    modules = list(folded.get_submodule("stages.0.0").modules())
    assert sum(isinstance(module, nn.Conv2d) for module in modules) == convolutions
    assert any(isinstance(module, Add) for module in modules) == (block in APART)
