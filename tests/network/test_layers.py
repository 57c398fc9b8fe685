"""Padding, pooling, shortcut A and the start of weights, against their definitions."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import archspec
from archspec.network.layers import SameConv2d, same_padding
from archspec.network.pools import BlurPool2d, SamePool2d


@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_is_tensorflows(kernel, stride):
    """https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2."""
    for size in range(1, 40):
        total = max(kernel - stride, 0) if size % stride == 0 else max(kernel - size % stride, 0)
        assert same_padding(size, kernel, stride) == (total // 2, total - total // 2)


def windows(x, kernel, stride):
    """Each output pixel's window by TensorFlow's definition, cut off at the borders of the image."""
    size = x.shape[-1]
    outputs = math.ceil(size / stride)
    before = max((outputs - 1) * stride + kernel - size, 0) // 2
    for i in range(outputs):
        for j in range(outputs):
            top, left = i * stride - before, j * stride - before
            yield i, j, top, left, x[..., max(top, 0) : top + kernel, max(left, 0) : left + kernel]


@pytest.mark.parametrize("size", [5, 8, 9])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 2), (3, 1), (2, 1), (5, 3), (1, 2)])
def test_same_convolution_and_pools_equal_their_definition(size, kernel, stride):
    torch.manual_seed(0)
    x = torch.randn(1, 2, size, size) - 3.0  # below zero, so that padding of zeros would win a maximum
    conv = SameConv2d(2, 3, kernel, stride)
    convolved, largest, mean = conv(x), SamePool2d("max", kernel, stride)(x), SamePool2d("average", kernel, stride)(x)
    assert convolved.shape[-1] == largest.shape[-1] == mean.shape[-1] == math.ceil(size / stride)
    for i, j, top, left, window in windows(x, kernel, stride):
        padded = torch.zeros(1, 2, kernel, kernel)
        y, z = max(-top, 0), max(-left, 0)
        padded[..., y : y + window.shape[2], z : z + window.shape[3]] = window
        expected = (padded * conv.weight).sum((1, 2, 3)) + conv.bias
        assert torch.allclose(convolved[0, :, i, j], expected, atol=1e-5)
        assert torch.equal(largest[..., i, j], window.amax((2, 3)))
        assert torch.allclose(mean[..., i, j], window.mean((2, 3)), atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [5, 6, 7, 8, 9, 12])
def test_a_blur_pool_is_every_strideth_binomial_mean_of_the_mirrored_map(stride, size):
    x = torch.randn(1, 2, size, size + 3)
    y = BlurPool2d(stride)(x)
    assert y.shape[2:] == (math.ceil(size / stride), math.ceil((size + 3) / stride))

    def mirror(at, side):
        return abs(at) if at < side else 2 * side - 2 - at

    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            rows, columns = (
                [mirror(stride * at + step, side) for step in (-1, 0, 1)] for at, side in ((i, size), (j, size + 3))
            )
            weights = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]) / 16
            wanted = (x[0][:, rows][:, :, columns] * weights).sum((1, 2))
            assert torch.allclose(y[0, :, i, j], wanted, atol=1e-6)


def test_the_plan_and_the_layer_agree_for_the_pool_with_tensorflow_padding(network_of, small_text):
    network = network_of(small_text, "stem={type: conv-pool, kernel: 7, padding: tensorflow}", "input.size=[45, 32]")
    pool = network.get_submodule("stem.pool")
    assert isinstance(pool, SamePool2d)
    assert (pool.mode, pool.kernel, pool.stride) == ("max", 3, 2)
    x = torch.randn(1, 64, 23, 16)
    padded = F.pad(x, (0, 1, 1, 1), value=-math.inf)
    assert torch.equal(pool(x), F.max_pool2d(padded, 3, 2))


def test_symmetric_padding_is_torchs(network_of, small_text):
    network = network_of(small_text)
    conv = network.get_submodule("stages.1.0.conv1")
    assert type(conv) is nn.Conv2d
    assert (conv.stride, conv.padding, conv.bias) == ((2, 2), (1, 1), None)


def test_shortcut_a_strides_and_adds_channels_of_zeros_behind(network_of, small_text):
    network = network_of(small_text, "defaults.shortcut=A")
    x = torch.randn(2, 16, 7, 5)
    y = network.get_submodule("stages.1.0.shortcut")(x)
    assert y.shape == (2, 32, 4, 3)
    assert torch.equal(y[:, :16], x[:, :, ::2, ::2])
    assert not y[:, 16:].any()


def test_he_starts_convolutions_with_the_variance_of_the_paper():
    torch.manual_seed(0)
    network = archspec.build_network("resnet18")
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            expected = math.sqrt(2 / (module.kernel_size[0] ** 2 * module.out_channels))
            samples = module.weight.numel()
            assert abs(module.weight.std().item() / expected - 1) < 4 / math.sqrt(2 * samples), name
            assert abs(module.weight.mean().item()) < 4 * expected / math.sqrt(samples), name
        elif isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight))
            assert not module.bias.any()
    assert 0.9 / math.sqrt(512) < network.head.linear.weight.abs().max() <= 1 / math.sqrt(512)


def test_glorot_starts_within_its_bound_and_with_no_bias():
    torch.manual_seed(0)
    for name, module in archspec.build_network("seed-resnet26").named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            window = module.weight[0, 0].numel() if isinstance(module, nn.Conv2d) else 1
            bound = math.sqrt(6 / (window * (module.weight.shape[0] + module.weight.shape[1])))
            assert 0.99 * bound < module.weight.abs().max() <= bound, name
            assert abs(module.weight.std().item() * math.sqrt(3) / bound - 1) < 0.05, name
            assert not module.bias.any()


def test_the_last_norm_of_a_block_starts_at_zero_where_the_spec_says_so(network_of, small_text):
    network = network_of(
        small_text, "stages.*.zero_init_residual=true", "stages.1.block=bottleneck", "stages.2.block=res2net"
    )
    zero = {
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d) and not module.weight.any()
    }
    assert zero == {"stages.0.0.norm2", "stages.1.0.norm3", "stages.2.0.norm3"}


def test_a_fresh_network_differs_by_seed_and_repeats_with_it(small_file):
    def first(seed):
        torch.manual_seed(seed)
        return archspec.build_network(small_file).state_dict()["stem.conv.weight"]

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_options_of_the_norm_and_of_dropout_reach_torch(network_of, small_text):
    network = network_of(small_text, "defaults.norm={type: batch, eps: 0.25, momentum: 0.5}", "head.dropout=0.125")
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(0.25, 0.5)}
    assert network.get_submodule("head.dropout").p == 0.125


@pytest.mark.parametrize("norm", ["batch", "{type: group, groups: 8}", "layer"])
def test_every_norm_can_start_a_residual_branch_at_zero(network_of, small_text, norm):
    network = network_of(small_text, f"stages.*.norm={norm}", "stages.1.zero_init_residual=true")
    assert not network.get_submodule("stages.1.0.norm2").weight.any()
    assert network.get_submodule("stages.1.0.norm1").weight.all()
    assert network.get_submodule("stages.2.0.norm2").weight.all()
