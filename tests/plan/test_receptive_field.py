"""The planned receptive field against a measured one: the stretch of input that moves one output pixel."""

import pytest
import torch
from torch import nn

import archspec


def measure(plan, size):
    """From the first to the last row, and column, with a gradient from the central pixel of the last map.

    Between them dilation may leave gaps.
    """
    network = archspec.compile_network(plan, end="head").double().eval()
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1.0 / module.in_channels)  # positive: nothing cancels
        elif isinstance(module, nn.MaxPool2d):  # a maximum passes its gradient to one pixel of the window only
            network.set_submodule(name, nn.AvgPool2d(module.kernel_size, module.stride, module.padding))
    x = torch.ones(1, plan.input[0], size, size, dtype=torch.float64, requires_grad=True)
    last = network(x)
    last[0, 0, last.shape[2] // 2, last.shape[3] // 2].backward()
    rows = x.grad.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
    columns = x.grad.abs().sum(dim=(0, 1, 2)).nonzero().flatten()
    assert rows[0] > 0, "the input is too small to measure on"
    assert rows[-1] < size - 1, "the input is too small to measure on"
    return tuple((seen[-1] - seen[0]).item() + 1 for seen in (rows, columns))


@pytest.mark.parametrize(
    ("name", "size", "overrides"),
    [
        ("small", 128, ()),
        ("small", 128, ("stages.1.block=bottleneck",)),
        ("small", 128, ("stages.1.block=bottleneck", "stages.1.stride_in=1x1")),
        ("small", 192, ("stem.type=conv-pool", "stem.kernel=7")),
        ("small", 192, ("stem.kernel=5", "stem.strides=3", "defaults.padding=tensorflow")),
        ("small", 128, ("stem.kernel=2", "stages.0.strides=1")),
        ("small", 192, ("defaults.antialias=blur", "stages.2.strides=3")),
        ("small", 192, ("defaults.antialias=average", "defaults.shortcut=D")),
        ("small", 192, ("defaults.dilation=2", "stages.1.first_dilation=3")),
        ("small", 192, ("output_stride=8", "stages.0.strides=4", "defaults.shortcut=D", "defaults.antialias=blur")),
        ("small", 192, ("stem={type: deep-pool, pool: average}",)),
        ("small", 192, ("stem={type: deep-pool, pool: blur}",)),
        ("small", 192, ("stem={type: conv-pool, kernel: 3, pool: conv}",)),
        ("small", 192, ("stem={type: conv-pool, kernel: 3, pool: max-zeros}",)),
        ("small", 192, ("stem={type: patchify, filters: 8}", "defaults.shortcut=A")),
        ("small", 192, ("stem=repvgg", "stages.*.block=repvgg", "defaults.dilation=2")),
        ("small", 192, ("stages.*.block=preact-basic", "defaults.dilation=2", "stages.1.first_dilation=3")),
        ("small", 192, ("stages.*.block=preact-bottleneck", "stages.1.first_dilation=3")),
        ("small", 192, ("stages.*.block=inverted", "stages.1.kernel=5", "stages.2.first_dilation=2")),
        ("small", 192, ("stages.*.block=convnext", "stages.1.kernel=5", "stages.2.dilation=2")),
        ("small", 192, ("stages.*.block=res2net", "stages.2.dilation=2", "stages.2.repeats=2")),
        ("cifar-resnet20", 192, ()),
        ("resnet18", 640, ("stem.filters=2", "stages.*.filters=2")),
        ("resnet50", 640, ("stem.filters=2", "stages.*.filters=2", "stages.*.expansion=1")),
        ("seed-resnet26", 640, ("stem.filters=2", "stages.*.filters=2")),
    ],
)
def test_the_receptive_field_is_what_is_measured(small_file, name, size, overrides):
    plan = archspec.plan_network(archspec.load_spec(small_file if name == "small" else name, overrides))
    assert measure(plan, size) == (plan.receptive_field, plan.receptive_field)


@pytest.mark.parametrize(
    ("name", "repeats", "field"),
    [
        ("resnet18", (2, 2, 2, 2), 435),
        ("resnet34", (3, 4, 6, 3), 899),
        ("resnet50", (3, 4, 6, 3), 427),
        ("resnet101", (3, 4, 23, 3), 971),
        ("resnet152", (3, 8, 36, 3), 1451),
    ],
)
def test_receptive_fields_of_imagenet_networks_by_hand(name, repeats, field):
    """The stem sees 11 px in steps of 4; a 3x3 convolution adds two steps, and a strided one two of the finer steps."""
    by_hand, convolutions = 11, 2 if name in ("resnet18", "resnet34") else 1
    for stage, blocks in enumerate(repeats):
        strided = stage > 0
        by_hand += 2 * 4 * 2**stage * (blocks * convolutions - strided) + 2 * 4 * 2 ** (stage - 1) * strided
    assert by_hand == field
    assert archspec.plan_network(archspec.load_spec(name)).receptive_field == field


@pytest.mark.parametrize("shortcut", ["A", "B", "D"])
@pytest.mark.parametrize("antialias", ["none", "average", "blur"])
def test_paths_that_join_lie_equally_far_apart(small_file, shortcut, antialias):
    """A pixel of a sum stands for one place of the image, so both paths must have made the same strides."""
    overrides = (f"defaults.shortcut={shortcut}", f"defaults.antialias={antialias}", "stages.2.strides=4")
    plan = archspec.plan_network(archspec.load_spec(small_file, overrides))
    strides = [1]
    for step in plan.steps:
        (stride,) = {strides[value] for value in step.inputs}
        strides.append(stride * step.window[1])
    assert strides[-1] == plan.total_stride == 16
