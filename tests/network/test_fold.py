"""Folding, beyond batch norms: parallel convolutions, standardized ones, and what must stay as it is."""

import pytest
import timm
import torch
from timm.utils.model import reparameterize_model
from torch import nn

import archspec
from archspec import compile_network

TEXT = """name: fold
input: {channels: 3, size: 24}
stem: {type: repvgg, filters: 16}
stages:
  - {block: repvgg, filters: 16, repeats: 2}
  - {block: repvgg, filters: 24, strides: 2, repeats: 3}
head: {type: classifier, classes: 5}
"""
INFERENCE = ("stem.form=inference", "stages.*.form=inference")


@pytest.fixture
def fold(network_of, randomise):
    """A spec text -> the network, the folded one, and images."""

    def make(text, *overrides):
        torch.manual_seed(0)
        network = randomise(network_of(text, *overrides)).eval()
        folded = compile_network(network.plan, fold=True, state=network.state_dict())
        return network, folded, torch.randn(2, *network.plan.input)

    return make


def assert_close(found, wanted):
    assert wanted.std() > 1e-3
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5 * wanted.abs().max().item())


def convolutions(network):
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("defaults.drop_path=0.5",),
        ("defaults.dilation=2",),
        ("defaults.bias=true",),
        ("defaults.weight_standardization=true", "stem.weight_standardization=false"),
        ("output_stride=8", "stages.0.strides=4"),
        ("defaults.norm=none", "stem.norm=none"),
    ],
    ids=str,
)
def test_repvggs_branches_become_one_convolution(fold, overrides):
    network, folded, images = fold(TEXT, *overrides)
    assert_close(folded(images), network(images))
    blocks = [f"stages.{block}" for block in ("0.0", "0.1", "1.0", "1.1", "1.2")]
    for name in ("stem", *blocks):
        (only,) = convolutions(folded.get_submodule(name))
        assert (only.kernel_size, only.bias is not None) == ((3, 3), True)
        assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.get_submodule(name).modules())


@pytest.mark.parametrize("overrides", [(), ("defaults.norm=none",), ("defaults.weight_standardization=true",)], ids=str)
def test_a_folded_repvgg_has_the_tensors_of_its_inference_form(fold, write_spec, overrides):
    network, folded, images = fold(TEXT, *overrides)
    plan = archspec.plan_network(archspec.load_spec(write_spec(TEXT), (*overrides, *INFERENCE)))
    assert {name: tuple(tensor.shape) for name, tensor in folded.state_dict().items()} == {
        name: shape for name, shape, _ in plan.tensors()
    }
    assert torch.equal(compile_network(plan, state=folded.state_dict()).eval()(images), folded(images))
    assert (plan.depth, plan.receptive_field) == (network.plan.depth, network.plan.receptive_field)


def test_the_folded_repvgg_is_timms(randomise):
    """timm folds the branches by its own means: as many parameters, and the same outputs."""
    torch.manual_seed(0)
    theirs = randomise(timm.create_model("repvgg_a0")).eval()
    network = archspec.build_network("repvgg-a0")
    archspec.load_weights(network, theirs.state_dict())
    folded = compile_network(network.plan, fold=True, state=network.state_dict())
    theirs = reparameterize_model(theirs)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert_close(folded(images), theirs(images))
    count = sum(parameter.numel() for parameter in theirs.parameters())
    assert sum(parameter.numel() for parameter in folded.parameters()) == count
    fused = archspec.build_network(archspec.load_spec("repvgg-a0", INFERENCE))
    assert fused.plan.parameters == count
    assert archspec.load_weights(fused, theirs.state_dict()).naming == "timm RepVGG, fused"
    with torch.no_grad():
        assert_close(fused.eval()(images), theirs(images))


def test_what_pads_otherwise_is_not_merged_and_computes_the_same(fold):
    network, folded, images = fold(TEXT, "defaults.padding=tensorflow", "stem.padding=tensorflow")
    assert_close(folded(images), network(images))
    assert len(convolutions(folded.get_submodule("stages.1.0"))) == 2  # of stride 2: padded by the image's size
    assert len(convolutions(folded.get_submodule("stages.1.1"))) == 1


@pytest.mark.parametrize("norm", ["group", "layer", "none"])
def test_branches_with_other_norms_compute_the_same(fold, norm):
    network, folded, images = fold(TEXT, f"defaults.norm={norm}", *(["defaults.norm.groups=4"] * (norm == "group")))
    assert_close(folded(images), network(images))


STANDARDIZED = """name: standardized
input: {channels: 3, size: 24}
defaults: {weight_standardization: true}
stem: {type: conv-pool, filters: 16, kernel: 3, strides: 1}
stages:
  - {block: basic, filters: 16}
  - {block: bottleneck, filters: 16, strides: 2, repeats: 2}
  - {block: res2net, filters: 16, width: 0.5}
head: {type: classifier, classes: 5}
"""


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("defaults.norm={type: group, groups: 4}",),
        ("defaults.bias=true",),
        ("defaults.padding=tensorflow",),
        ("stages.*.block=inverted",),
        ("stages.*.block=convnext", "stages.2={block: preact-basic, filters: 16}"),
    ],
    ids=str,
)
def test_standardized_convolutions_fold_into_plain_ones(network_of, fold, overrides):
    if "inverted" in str(overrides) or "convnext" in str(overrides):
        overrides = ("stages.2={block: basic, filters: 16}", *overrides)
    network, folded, images = fold(STANDARDIZED, *overrides)
    assert_close(folded(images), network(images))
    assert not any(hasattr(module, "standardized_weight") for module in folded.modules())
    state = folded.state_dict()
    weight, used = state["stem.conv.weight"], network.state_dict()["stem.conv.weight"]
    assert not torch.equal(weight, used)


def test_standardized_weights_are_as_the_paper_says(network_of):
    network = network_of(STANDARDIZED)
    filters = network.stem.conv.weight.detach().flatten(1)
    wanted = (filters - filters.mean(1, keepdim=True)) / (filters.var(1, keepdim=True, unbiased=False) + 1e-6).sqrt()
    torch.testing.assert_close(network.stem.conv.standardized_weight().flatten(1), wanted)
