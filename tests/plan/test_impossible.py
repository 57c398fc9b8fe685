"""Networks that cannot exist are refused at the line that asks for them, before torch."""

import pytest
import torch

import archspec
from archspec.errors import PlanError
from archspec.plan.branches import Add, Concat, Slice

TEXT = """name: impossible
input: {channels: 3, size: 32}
stem: {type: conv, filters: 16, kernel: 3, strides: 1}
stages:
- {block: basic, filters: 16}
- block: basic
  filters: 32
  strides: 2
head: {type: classifier, classes: 10}
"""


@pytest.fixture
def fault(write_spec):
    def read(text, *overrides):
        spec = archspec.load_spec(write_spec(text), overrides)
        with pytest.raises(PlanError) as caught:
            archspec.plan_network(spec)
        (diagnostic,) = caught.value.diagnostics
        return diagnostic

    return read


def test_groups_that_do_not_divide_the_channels_are_refused_at_groups(fault):
    found = fault(TEXT.replace("  strides: 2", "  strides: 2\n  groups: 3"))
    assert found.message == "input channels (=16) must be divisible by groups (=3)"
    assert (found.place.line, found.place.column, found.path) == (9, 11, ("stages", 1, "groups"))


def test_groups_that_do_not_divide_the_filters_are_refused(fault):
    found = fault(TEXT.replace("filters: 32", "filters: 24").replace("strides: 2", "groups: 16"))
    assert found.message == "output channels (=24) must be divisible by groups (=16)"


@pytest.mark.parametrize("size", ["1", "[32, 1]", "[1, 32]"])
def test_strides_on_a_map_of_one_pixel_are_refused_at_the_strides(fault, size):
    found = fault(TEXT.replace("size: 32", f"size: {size}"))
    assert "below 1 px" in found.message
    assert (found.place.line, found.place.column, found.path) == (8, 12, ("stages", 1, "strides"))
    assert "input.size" in found.notes[0]


def test_the_map_that_enters_the_block_is_shown(fault):
    found = fault(TEXT.replace("size: 32", "size: [1, 32]"))
    assert found.notes[0].startswith("the map that enters stages.1.0 is 16x1x32 (channels x height x width)")


def test_shortcut_a_cannot_take_channels_away(fault):
    found = fault(TEXT.replace("filters: 32", "filters: 8\n  shortcut: A"))
    assert found.message == "shortcut A pads channels, and cannot go from 16 to 8: use B"
    assert (found.place.line, found.path) == (8, ("stages", 1, "shortcut"))


def test_a_shortcut_from_the_defaults_is_blamed_there(fault):
    found = fault("defaults:\n  shortcut: A\n" + TEXT.replace("filters: 32", "filters: 8"))
    assert (found.place.line, found.place.column) == (2, 13)


def test_an_option_that_is_not_written_is_blamed_on_its_stage(fault):
    found = fault(TEXT.replace("  strides: 2\n", "").replace("filters: 32", "filters: 8"), "stages.1.shortcut=A")
    assert (found.place.file, found.place.column) == ("--set", 19)


def test_the_pool_of_a_stem_is_not_blamed_on_strides_of_one(fault):
    found = fault(TEXT.replace("type: conv,", "type: conv-pool,").replace("size: 32", "size: 1"))
    assert found.path != ("stem", "strides"), "the pool strides here, and `strides: 1` is no mistake"


def test_a_pool_brings_the_map_below_one_pixel_only_where_strides_are_larger(write_spec):
    text = TEXT.replace("type: conv,", "type: conv-pool,").replace("size: 32", "size: 3")
    assert archspec.plan_network(archspec.load_spec(write_spec(text))).shape(4) == (16, 2, 2)


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("stride", [2, 3, 4, 5])
@pytest.mark.parametrize("size", [31, 32, 33, 36])
def test_a_blurred_stride_fits_the_shortcut_of_any_size(write_spec, block, stride, size):
    overrides = (f"input.size={size}", f"stages.1.strides={stride}", "defaults.antialias=blur")
    plan = archspec.plan_network(archspec.load_spec(write_spec(TEXT.replace("basic", block)), overrides))
    assert plan.stages[1].output[1:] == (-(-size // stride),) * 2


@pytest.mark.parametrize("block", ["inverted", "convnext"])
def test_an_even_kernel_beside_a_shortcut_is_refused_at_the_kernel(fault, write_spec, block):
    text = TEXT.replace("basic, filters: 16", f"{block}, filters: 16, kernel: 4")
    found = fault(text)
    assert found.message.startswith("an even kernel (=4), padded alike on both sides")
    assert (found.path, found.place.line) == (("stages", 0, "kernel"), 5)
    assert found.notes[0].endswith("take an odd `kernel`, or `padding: tensorflow`")
    assert archspec.plan_network(archspec.load_spec(write_spec(text), ["defaults.padding=tensorflow"]))


def test_an_even_kernel_without_a_shortcut_is_allowed(write_spec):
    text = TEXT.replace("basic, filters: 16", "inverted, filters: 24, kernel: 4")
    assert archspec.plan_network(archspec.load_spec(write_spec(text))).stages[0].output == (24, 33, 33)


def test_a_sum_of_other_channels_is_not_blamed_on_an_odd_side():
    with pytest.raises(archspec.ImpossibleShape, match="cannot be added") as caught:
        Add().output_shape((8, 4, 4), (16, 4, 4))
    assert caught.value.help is None
    with pytest.raises(archspec.ImpossibleShape, match="cannot be added") as caught:
        Add().output_shape((8, 4, 4), (8, 5, 4))
    assert "odd side" in caught.value.help


@pytest.mark.parametrize(("start", "stop"), [(0, 9), (-1, 4), (4, 4), (5, 3), (8, 9)])
def test_channels_that_are_not_there_cannot_be_taken(start, stop):
    with pytest.raises(archspec.ImpossibleShape, match=f"channels {start} to {stop} cannot be taken from 8"):
        Slice(start, stop).output_shape((8, 4, 4))
    assert Slice(0, 8).output_shape((8, 4, 4)) == (8, 4, 4)


def test_maps_of_other_sizes_cannot_be_concatenated():
    with pytest.raises(archspec.ImpossibleShape, match="cannot be concatenated"):
        Concat().output_shape((8, 4, 4), (8, 4, 5))
    assert Concat().output_shape((8, 4, 4), (2, 4, 4), (1, 4, 4)) == (11, 4, 4)


def test_a_hundred_million_blocks_are_refused_before_they_are_planned(write_spec):
    stages = "- &s {block: basic, filters: 1, repeats: 100000}\n" + "- *s\n" * 999
    text = TEXT.replace("- block: basic\n  filters: 32\n  strides: 2\n", stages)
    with pytest.raises(archspec.errors.ArchspecError):
        archspec.load_spec(write_spec(text))


def test_a_spec_from_python_has_no_line_and_still_says_what_is_wrong(write_spec):
    spec = archspec.load_spec(write_spec(TEXT.replace("size: 32", "size: 1")))
    spec._source = None
    with pytest.raises(PlanError) as caught:
        archspec.plan_network(spec)
    assert caught.value.diagnostics[0].place is None
    assert "stages[1].strides" in caught.value.render()


@pytest.mark.parametrize("padding", ["symmetric", "tensorflow"])
@pytest.mark.parametrize("size", ["[7, 12]", "[33, 31]", "5"])
@pytest.mark.parametrize("kernel", [1, 2, 3, 7])
def test_planned_shapes_are_those_that_torch_makes(write_spec, padding, size, kernel):
    overrides = (f"defaults.padding={padding}", f"input.size={size}", f"stem.kernel={kernel}", "stem.type=conv-pool")
    plan = archspec.plan_network(archspec.load_spec(write_spec(TEXT), overrides))
    network, shapes = archspec.compile_network(plan).eval(), {}
    for step in plan.steps:
        network.get_submodule(step.name).register_forward_hook(
            lambda module, inputs, output, name=step.name: shapes.__setitem__(name, tuple(output.shape[1:]))
        )
    network(torch.zeros(1, *plan.input))
    assert shapes == {step.name: step.output for step in plan.steps}
