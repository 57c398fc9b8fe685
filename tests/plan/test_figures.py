"""The plan's figures against published ones, against torch's own counters, and against golden files."""

import csv
import json
import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.plan.operations import ImpossibleShape, Linear
from archspec.spec.zoo import zoo_names

PUBLISHED = {  # parameters and multiply-adds: torchvision's documentation, He et al. 2015
    "resnet18": (11_689_512, 1_814_073_344, 18),
    "resnet34": (21_797_672, 3_663_761_408, 34),
    "resnet50": (25_557_032, 4_089_184_256, 50),
    "resnet101": (44_549_160, 7_801_405_440, 101),
    "resnet152": (60_192_808, 11_513_626_624, 152),
    "cifar-resnet20": (269_722, 40_551_040, 20),
    "cifar-resnet56": (853_018, 125_485_696, 56),
}


@pytest.fixture(scope="module")
def plan_of():
    plans = {name: archspec.plan_network(archspec.load_spec(name)) for name in zoo_names()}
    return plans.__getitem__


@pytest.mark.parametrize("name", zoo_names())
def test_the_plan_equals_its_golden_file(plan_of, root, compare_with_golden, name):
    plan = plan_of(name)
    figures = {
        "parameters": plan.parameters,
        "macs": plan.macs,
        "depth": plan.depth,
        "receptive_field": plan.receptive_field,
        "output": plan.output,
    }
    tensors = [f"    {json.dumps(name)}: {json.dumps(shape)}" for name, shape, _ in plan.tensors()]
    head = json.dumps(figures, indent=2)[:-2]
    text = f'{head},\n  "tensors": {{\n' + ",\n".join(tensors) + "\n  }\n}\n"
    assert json.loads(text)["parameters"] == plan.parameters
    compare_with_golden(root / "tests" / "golden" / f"{name}.json", text)


def test_every_golden_file_has_its_spec(root):
    assert {file.stem for file in (root / "tests" / "golden").glob("*.json")} == set(zoo_names())


@pytest.mark.parametrize(("name", "figures"), PUBLISHED.items())
def test_published_networks_have_their_published_figures(plan_of, name, figures):
    plan = plan_of(name)
    assert (plan.parameters, plan.macs, plan.depth) == figures


def test_every_reference_figure_of_the_zoo_is_met(plan_of, shared):
    file = shared / "reference" / "architectures.csv"
    if not file.is_file():
        pytest.skip(f"there are no reference figures at {file}")
    rows = [
        row for row in csv.DictReader(file.read_text().splitlines()) if row["spec"].removesuffix(".yaml") in zoo_names()
    ]
    assert len(rows) >= 8
    for row in rows:
        plan = plan_of(row["spec"].removesuffix(".yaml"))
        assert plan.parameters == int(row["parameters"]), row["spec"]
        assert not row["macs_conv_linear"] or plan.macs == int(row["macs_conv_linear"]), row["spec"]


@pytest.mark.parametrize("name", zoo_names())
def test_figures_equal_what_torch_counts_on_the_compiled_network(plan_of, name):
    plan = plan_of(name)
    with torch.device("meta"):
        network = archspec.compile_network(plan).eval()
        with FlopCounterMode(display=False) as counter:
            output = network(torch.empty(1, *plan.input))
    assert counter.get_total_flops() == 2 * plan.macs
    assert sum(parameter.numel() for parameter in network.parameters()) == plan.parameters
    assert tuple(output.shape[1:]) == plan.output


@pytest.mark.parametrize(
    "overrides",
    [
        ("stages.*.groups=8",),
        ("defaults.padding=tensorflow", "defaults.bias=true", "input.size=[33, 26]", "stem.type=conv-pool"),
        ("stages.1.block=bottleneck", "stages.1.stride_in=1x1", "input.channels=1", "stages.1.repeats=3"),
    ],
)
def test_figures_of_options_equal_what_torch_counts(small_file, overrides):
    plan = archspec.plan_network(archspec.load_spec(small_file, overrides))
    network = archspec.compile_network(plan).eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *plan.input))
    assert counter.get_total_flops() == 2 * plan.macs
    assert sum(parameter.numel() for parameter in network.parameters()) == plan.parameters


def test_the_figures_of_the_stages_add_up(plan_of):
    plan = plan_of("resnet50")
    assert [(s.name, s.block, s.repeats, s.output) for s in plan.stages] == [
        ("stages.0", "bottleneck", 3, (256, 56, 56)),
        ("stages.1", "bottleneck", 4, (512, 28, 28)),
        ("stages.2", "bottleneck", 6, (1024, 14, 14)),
        ("stages.3", "bottleneck", 3, (2048, 7, 7)),
    ]
    stem, head = 64 * 3 * 49 + 2 * 64, 2048 * 1000 + 1000
    assert sum(stage.parameters for stage in plan.stages) == plan.parameters - stem - head
    assert sum(stage.macs for stage in plan.stages) == plan.macs - 112 * 112 * 64 * 3 * 49 - 2048 * 1000
    assert plan.stages[-1].receptive_field == plan.receptive_field


def test_depth_counts_main_convolutions_and_the_classifier(plan_of, small_file):
    assert archspec.plan_network(archspec.load_spec(small_file)).depth == 1 + 3 * 2 + 1
    assert plan_of("seed-resnet26").depth == 1 + 4 * 3 * 2 + 1
    bottlenecks = archspec.load_spec(small_file, ["stages.*.block=bottleneck", "stages.1.repeats=5"])
    assert archspec.plan_network(bottlenecks).depth == 1 + 7 * 3 + 1


def test_figures_of_a_small_network_by_hand(write_spec, small_text):
    plan = archspec.plan_network(archspec.load_spec(write_spec(small_text)))
    stem = 3 * 16 * 9 + 2 * 16
    first = 2 * 16 * 16 * 9 + 4 * 16 + 16 * 16 + 2 * 16
    second = 16 * 32 * 9 + 32 * 32 * 9 + 4 * 32 + 16 * 32 + 2 * 32
    third = 32 * 64 * 9 + 64 * 64 * 9 + 4 * 64 + 32 * 64 + 2 * 64
    assert plan.parameters == stem + first + second + third + 64 * 10 + 10
    assert plan.macs == (
        32 * 32 * 3 * 16 * 9
        + 16 * 16 * (2 * 16 * 16 * 9 + 16 * 16)
        + 8 * 8 * (16 * 32 * 9 + 32 * 32 * 9 + 16 * 32)
        + 4 * 4 * (32 * 64 * 9 + 64 * 64 * 9 + 32 * 64)
        + 64 * 10
    )
    # windows of 3 at jumps 1 | 1, 2 | 2, 4 | 4, 8
    assert plan.receptive_field == 3 + 2 * (1 + 2 + 2 + 4 + 4 + 8)


def test_biases_and_groups_and_expansion_change_the_parameters_as_they_must(plan_of, write_spec, small_text):
    def parameters(*overrides):
        return archspec.plan_network(archspec.load_spec(write_spec(small_text), overrides)).parameters

    plain = parameters()
    assert parameters("defaults.bias=true") == plain + 16 + 3 * (16 + 32 + 64)
    assert parameters("stages.1.groups=4") == plain - (16 * 32 + 32 * 32) * 9 * 3 // 4
    assert parameters("defaults.norm=none") == plain - 2 * 16 - 2 * 3 * (16 + 32 + 64)
    assert parameters("defaults.shortcut=A") == plain - (16 * 16 + 16 * 32 + 32 * 64) - 2 * (16 + 32 + 64)


def test_a_plan_is_made_without_torch():
    code = (
        "import sys, archspec; archspec.plan_network(archspec.load_spec('resnet34')).macs;"
        "print(sorted({'torch', 'torchvision', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_borders_name_blocks_stages_and_the_head(plan_of):
    plan = plan_of("resnet18")
    assert [plan.border(name) for name in ("stem", "stages", "stages.1", "stages.1.1", "head")] == [0, 1, 3, 4, 9]
    with pytest.raises(ValueError, match=r"'stages.4' is no block of resnet18"):
        plan.border("stages.4")


def test_a_linear_layer_refuses_another_shape():
    with pytest.raises(ImpossibleShape, match="over 3 features"):
        Linear(3, 4).output_shape((5,))
