"""What each built-in block writes, against the papers and counts by hand: groups, dilation, widths, paths, pools."""

import pytest
import torch
import torchvision

import archspec
from archspec.network.branches import DropPath
from archspec.plan.builder import Builder
from archspec.plan.operations import Conv
from archspec.plan.plan import Plan
from archspec.plan.pools import Pool

TEXT = """name: blocks
input: {channels: 3, size: [30, 24]}
stem: {type: conv, filters: 32, kernel: 3, strides: 1}
stages:
  - {block: basic, filters: 32, repeats: 2}
head: {type: classifier, classes: 10}
"""
GROUPED = ("basic", "bottleneck", "preact-basic", "preact-bottleneck", "res2net")
BLOCKS = (*GROUPED, "inverted", "convnext", "repvgg")


@pytest.fixture
def plan_of(write_spec):
    def plan(block, *overrides):
        return archspec.plan_network(archspec.load_spec(write_spec(TEXT.replace("basic", block)), overrides))

    return plan


def convolutions(plan, prefix="stages."):
    """The convolutions larger than 1x1 of the main path."""
    return [
        step.operation
        for step in plan.steps
        if step.name.startswith(prefix) and isinstance(step.operation, Conv) and step.operation.kernel > 1
    ]


@pytest.mark.parametrize("block", GROUPED)
def test_groups_and_their_width_reach_every_3x3_convolution(plan_of, block):
    width = ["stages.0.width=0.5"] if block == "res2net" else []
    for convolution in convolutions(plan_of(block, "stages.0.groups=4", *width)):
        assert convolution.groups == 4
    for convolution in convolutions(plan_of(block, "stages.0.group_width=4", *width)):
        assert convolution.groups == convolution.out_channels // 4
    for convolution in convolutions(plan_of(block, "stages.0.group_width=64", *width)):
        assert convolution.groups == 1, "fewer channels than a group has are one group"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block != "convnext"])
def test_the_first_convolution_alone_has_the_first_dilation(plan_of, block):
    plan = plan_of(block, "stages.0.dilation=4", "stages.0.first_dilation=2")
    first = [convolution.dilation for convolution in convolutions(plan, "stages.0.0.")]
    later = [convolution.dilation for convolution in convolutions(plan, "stages.0.1.")]
    parallel = block == "res2net"  # whose first block has its convolutions beside one another
    assert first == ([2] * len(first) if parallel else [2, *[4] * (len(first) - 1)])
    assert set(later) == {4}


@pytest.mark.parametrize("bias", ["true", "false"])
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("stem", ["conv-pool", "deep", "repvgg", "{type: patchify, filters: 8}"])
def test_all_convolutions_have_a_bias_or_none_has(plan_of, block, stem, bias):
    plan = plan_of(block, f"stem={stem}", "stages.0.strides=2", f"defaults.bias={bias}")
    found = {step.operation.bias for step in plan.steps if isinstance(step.operation, Conv)}
    assert found == {bias == "true"}


@pytest.mark.parametrize(("block", "convolution"), [("bottleneck", "conv2"), ("res2net", "convs0")])
def test_a_width_that_is_no_whole_number_is_cut_off(plan_of, block, convolution):
    """As in timm: int(math.floor(planes * (base_width / 64)))."""
    plan = plan_of(block, "stages.0.filters=24", f"stages.0.width={26 / 64}")
    (found,) = [step.operation for step in plan.steps if step.name == f"stages.0.0.{convolution}"]
    assert found.in_channels == found.out_channels == 9  # of 9.75


@pytest.mark.parametrize("expansion", [1.04, 1.08, 2.5])
def test_an_inverted_blocks_inner_channels_are_rounded_as_torchvisions(plan_of, expansion):
    theirs = torchvision.models.mobilenetv2.InvertedResidual(32, 32, 1, expansion)
    plan = plan_of("inverted", f"stages.0.expansion={expansion}")
    assert convolutions(plan, "stages.0.0.")[0].groups == theirs.conv[0][0].out_channels


@pytest.mark.parametrize("stride", [2, 3])
def test_an_average_against_aliases_covers_what_it_strides_over(plan_of, stride):
    plan = plan_of("basic", "stages.0.antialias=average", f"stages.0.strides={stride}")
    (pool,) = [step.operation for step in plan.steps if isinstance(step.operation, Pool)]
    assert (pool.mode, pool.kernel, pool.stride) == ("average", stride, stride)


@pytest.mark.parametrize("block", GROUPED)
def test_what_fits_the_input_is_a_shortcut_and_all_else_the_main_path(plan_of, block):
    plan = plan_of(block, "stages.0.filters=16", "stages.0.strides=2")
    roles = {step.name.startswith("stages.0.0.shortcut."): step.role for step in plan.steps}
    assert roles == {True: "shortcut", False: "main"}


@pytest.mark.parametrize("shortcut", ["A", "B", "D"])
@pytest.mark.parametrize("strides", [2, 3])
@pytest.mark.parametrize("block", GROUPED)
def test_every_shortcut_fits_odd_sides(plan_of, block, strides, shortcut):
    plan = plan_of(block, "input.size=[31, 25]", f"stages.0.strides={strides}", f"stages.0.shortcut={shortcut}")
    assert plan.stages[0].output[1:] == (-(-31 // strides), -(-25 // strides))


def test_a_weighted_shortcut_beside_a_path_without_weights_adds_no_depth():
    net = Builder((3, 8, 8))
    x = net.write(Conv(3, 4, 3), net.input, name="conv")
    with net.scope("shortcut", role="shortcut"):
        y = net.write(Conv(4, 4, 1), x, name="conv")
    net.add(net.activation(x, "Tanh"), y)
    assert Plan("x", (3, 8, 8), "he", tuple(net.steps), ()).depth == 1


def test_a_convnext_of_odd_sides_drops_the_last_pixel(plan_of):
    """Liu et al. 2022: a 2x2 convolution of stride 2, without padding."""
    plan = plan_of("convnext", "input.size=[31, 25]", "stages.0.strides=2")
    assert plan.stages[0].output == (32, 15, 12)


@pytest.mark.parametrize("strides", [1, 2, 3])
def test_repvggs_stem_strides_alike_in_both_forms(plan_of, strides):
    shapes = [
        plan_of("basic", f"stem={{type: repvgg, strides: {strides}, form: {form}}}").parts[0].output
        for form in ("training", "inference")
    ]
    assert shapes == [(64, 30 // strides, 24 // strides)] * 2


def test_repvggs_blocks_are_dilated_alike_in_both_forms(plan_of):
    options = ("stages.0.dilation=4", "stages.0.first_dilation=2")
    for form in ("training", "inference"):
        plan = plan_of("repvgg", f"stages.0.form={form}", *options)
        assert [convolution.dilation for convolution in convolutions(plan)] == [2, 4]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_whose_path_is_dropped_is_its_shortcut(plan_of, block):
    """Huang et al. 2016: of the block act(x + f(x)) stays act(x), of a pre-activation block x; of RepVGG's its norm."""
    network = archspec.compile_network(plan_of(block, "stages.0.drop_path=0.5", "stages.0.drop_path_rule=constant"))
    (dropped,) = [module for module in network.get_submodule("stages.0.1").modules() if isinstance(module, DropPath)]
    dropped.rate = 1 - 1e-12
    last = network.get_submodule("stages.0.1").train()
    x = torch.randn(2, network.plan.shape(network.plan.blocks[2].input)[0], 6, 5)
    wanted = last.identity(x) if block == "repvgg" else x
    if block in ("basic", "bottleneck", "res2net", "repvgg"):
        wanted = wanted.relu()
    torch.testing.assert_close(last(x.clone()), wanted)
