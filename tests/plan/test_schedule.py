"""What each block of a stage gets: strides or dilation, and its share of drop path."""

import pytest

import archspec
from archspec.plan.branches import DropPath
from archspec.plan.operations import Conv

TEXT = """name: schedule
input: {channels: 3, size: 64}
stem: {type: conv-pool, filters: 16}
stages:
  - {block: basic, filters: 16}
  - {block: basic, filters: 32, strides: 2, repeats: 2}
  - {block: basic, filters: 64, strides: 2, repeats: 2}
  - {block: basic, filters: 64, strides: 2, repeats: 2}
head: {type: classifier, classes: 10}
"""


@pytest.fixture
def plan_of(write_spec):
    return lambda *overrides, text=TEXT: archspec.plan_network(archspec.load_spec(write_spec(text), overrides))


def convolutions(plan, stage):
    """(name, stride, dilation) of a stage's 3x3 convolutions."""
    return [
        (step.name.removeprefix(f"stages.{stage}."), step.operation.stride, step.operation.dilation)
        for step in plan.steps
        if step.name.startswith(f"stages.{stage}.") and isinstance(step.operation, Conv) and step.operation.kernel == 3
    ]


def test_strides_beyond_the_output_stride_become_dilation(plan_of):
    """As torchvision's `replace_stride_with_dilation=[False, True, True]`: the first block sees as before."""
    plan = plan_of("output_stride=8")
    assert plan.total_stride == 8
    assert [part.output[1] for part in plan.stages] == [16, 8, 8, 8]
    assert convolutions(plan, 1)[0] == ("0.conv1", 2, 1)
    assert convolutions(plan, 2) == [("0.conv1", 1, 1), ("0.conv2", 1, 2), ("1.conv1", 1, 2), ("1.conv2", 1, 2)]
    assert convolutions(plan, 3) == [("0.conv1", 1, 2), ("0.conv2", 1, 4), ("1.conv1", 1, 4), ("1.conv2", 1, 4)]


def test_a_dilated_network_sees_as_much_and_has_the_same_tensors(plan_of):
    plain, dilated = plan_of(), plan_of("output_stride=8")
    assert list(plain.tensors()) == list(dilated.tensors())  # stage 3's projection too, which only a stride asked for
    assert dilated.receptive_field == plain.receptive_field
    assert plan_of("output_stride=32").steps == plain.steps


def test_a_stage_that_does_not_stride_goes_on_with_the_dilation_it_finds(plan_of):
    plan = plan_of("output_stride=16", "stages.3.strides=1", "stages.1.strides=4")
    assert plan.total_stride == 16
    assert {dilation for _, _, dilation in convolutions(plan, 2)[1:]} == {2}
    assert {dilation for _, _, dilation in convolutions(plan, 3)} == {2}


def test_a_stages_own_dilation_comes_on_top(plan_of):
    assert convolutions(plan_of("stages.1.dilation=3", "stages.1.first_dilation=1"), 1) == [
        ("0.conv1", 2, 1),
        ("0.conv2", 1, 3),
        ("1.conv1", 1, 3),
        ("1.conv2", 1, 3),
    ]
    both = convolutions(plan_of("output_stride=8", "stages.3.dilation=3", "stages.3.first_dilation=5"), 3)
    assert both == [("0.conv1", 1, 10), ("0.conv2", 1, 12), ("1.conv1", 1, 12), ("1.conv2", 1, 12)]
    both = convolutions(plan_of("output_stride=16", "stages.3.dilation=3"), 3)
    assert both == [("0.conv1", 1, 3), ("0.conv2", 1, 6), ("1.conv1", 1, 6), ("1.conv2", 1, 6)]


def rates(plan):
    return {step.name: step.operation.rate for step in plan.steps if isinstance(step.operation, DropPath)}


def test_drop_path_grows_linearly_over_all_blocks(plan_of):
    found = rates(plan_of("stages.*.drop_path=0.3"))
    names = [f"stages.{block}.drop_path" for block in ("1.0", "1.1", "2.0", "2.1", "3.0", "3.1")]
    assert list(found) == names  # and none in the first block
    assert list(found.values()) == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.25, 0.3])


def test_a_stage_may_have_its_own_drop_path(plan_of):
    found = rates(plan_of("stages.1.drop_path=0.6", "stages.3.drop_path=0.2", "stages.3.drop_path_rule=constant"))
    assert found == pytest.approx(
        {
            "stages.1.0.drop_path": 0.1,
            "stages.1.1.drop_path": 0.2,
            "stages.3.0.drop_path": 0.2,
            "stages.3.1.drop_path": 0.2,
        }
    )


BLOCKS = ("basic", "bottleneck", "preact-basic", "preact-bottleneck", "inverted", "convnext", "repvgg", "res2net")


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_dropped_scaled_and_dilated(plan_of, block):
    text = TEXT.replace("block: basic", f"block: {block}")
    scaled = block != "repvgg"  # which is to become one convolution
    plan = plan_of("stages.*.drop_path=0.3", *["stages.*.layer_scale=0.1"] * scaled, text=text)
    assert "stages.1.1.drop_path" in rates(plan)
    assert any(step.name == "stages.1.1.scale" for step in plan.steps) == scaled
    wide = plan_of("stages.*.dilation=2", text=text)
    last = [step.operation for step in wide.steps if step.name.startswith("stages.3.1.")]
    assert any(isinstance(operation, Conv) and operation.dilation == 2 for operation in last)
    assert wide.receptive_field > plan.receptive_field


@pytest.mark.parametrize(
    ("overrides", "wanted", "stride"),
    [(("stem.strides=1", "stages.3.strides=1"), 16, 8), (("stem.strides=8",), 8, 16)],
)
def test_an_output_stride_that_is_not_met_is_an_error(plan_of, overrides, wanted, stride):
    with pytest.raises(archspec.errors.PlanError) as caught:
        plan_of(f"output_stride={wanted}", *overrides)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message == f"output_stride is {wanted}, and this network's stages end at a stride of {stride}"
    assert diagnostic.path == ("output_stride",)


def test_a_block_that_cannot_be_dilated_says_so(tmp_path, monkeypatch, write_spec):
    (tmp_path / "plain_block.py").write_text(
        """
from archspec import BlockOptions, Offer, hookimpl

def plain(net, x, block):
    return net.act(net.norm(net.conv(x, block.filters, 3, block.strides)))

@hookimpl
def archspec_blocks():
    return {"plain": Offer(BlockOptions, plain)}
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    plugins = archspec.Plugins(["plain_block"], installed=False)
    text = "output_stride: 8\n" + TEXT.replace("block: basic", "block: plain")
    with pytest.raises(archspec.errors.PlanError) as caught:
        archspec.plan_network(archspec.load_spec(write_spec(text), plugins=plugins))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message == "a 'plain' block cannot be dilated, as output_stride (=8) asks of it"
    assert (diagnostic.place.line, diagnostic.path) == (8, ("stages", 2, "block"))
