"""The ghost block, its head and GhostNet 1.0x: what a spec relies on, and timm's modules with the same tensors."""

import json
import subprocess
import sys

import archspec_ghost
import pytest
import torch

import archspec
from archspec.errors import DocumentError
from archspec.testing import check_block, check_head

BLOCK = """name: one-block
input: {{channels: 3, size: [24, 20]}}
stem: {{type: conv, filters: 16, kernel: 3, strides: 1}}
stages: [{{block: ghost, {options}}}]
head: {{type: classifier, classes: 3}}
"""
SE = "attention: {type: se, ratio: 0.25, divisor: 4, gate: hard-sigmoid}"


@pytest.fixture
def plan_of(tmp_path):
    def plan(options):
        path = tmp_path / "spec.yaml"
        path.write_text(BLOCK.format(options=options))
        return archspec.plan_network(archspec.load_spec(path))

    return plan


def randomise(module):
    """Other weights and running statistics than those it starts with."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(drawn + 0.5 if tensor.ndim == 1 and not name.endswith("bias") else (drawn - 0.5) / 2)


def take(ours, theirs):
    """Both register their tensors in the order of the paper's figure: copy one after another."""
    mine, other = ours.state_dict(), theirs.state_dict()
    assert [tensor.shape for tensor in mine.values()] == [tensor.shape for tensor in other.values()]
    ours.load_state_dict(dict(zip(mine, other.values(), strict=True)))


def test_the_block():
    check_block("ghost")


def test_the_block_with_a_cheap_kernel_of_five():
    check_block("ghost", options={"cheap_kernel": 5, "ratio": 3}, seed=1)


def test_the_head():
    check_head("ghost-classifier")


@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ("filters: 16, expansion: 1", (16, 16, 16, 3, 1)),
        ("filters: 24, expansion: 3, strides: 2", (16, 48, 24, 3, 2)),
        (f"filters: 40, expansion: 4.5, strides: 2, kernel: 5, {SE}", (16, 72, 40, 5, 2)),
        (f"filters: 16, expansion: 7.5, kernel: 5, {SE}", (16, 120, 16, 5, 1)),
        ("filters: 25, expansion: 2.0625", (16, 33, 25, 3, 1)),  # odd widths: a channel too many is made, and cut off
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_a_block_is_timms_ghost_bottleneck(plan_of, options, theirs, training):
    ghostnet = pytest.importorskip("timm.models.ghostnet")
    peer = ghostnet.GhostBottleneck(*theirs, se_ratio=0.25 if "attention" in options else 0.0)
    randomise(peer)
    block = archspec.compile_network(plan_of(options), start="stages.0", end="head")
    take(block, peer)
    block.train(training)
    peer.train(training)
    x = torch.randn(2, 16, 24, 20)
    ours, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    output, expected = block(ours), peer(other)
    assert torch.allclose(output, expected, rtol=1e-5, atol=1e-6)
    output.square().sum().backward()
    expected.square().sum().backward()
    assert torch.allclose(ours.grad, other.grad, rtol=1e-4, atol=1e-4)


def test_ghostnet_has_the_papers_figures():
    plan = archspec.plan_network(archspec.load_spec(archspec_ghost.SPEC))
    assert round(plan.parameters / 1e6, 1) == 5.2  # Han et al. 2020, table 7
    assert round(plan.macs / 1e6) in (141, 142)


def test_ghostnet_is_timms(tmp_path):
    """Through the file of names that comes with it, as a user loads timm's weights."""
    timm = pytest.importorskip("timm")
    peer = timm.create_model("ghostnet_100").eval()
    randomise(peer)
    torch.save(peer.state_dict(), tmp_path / "ghostnet_100.pth")
    spec, names = archspec_ghost.SPEC, archspec_ghost.TIMM_NAMES
    command = ["weights", "plan", str(spec), str(tmp_path / "ghostnet_100.pth"), "--map", str(names), "--json"]
    code = "import sys; from archspec.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    pairs = {row["name"]: row["file_name"] for row in json.loads(done.stdout)["tensors"]}
    network = archspec.compile_network(archspec.plan_network(archspec.load_spec(spec))).eval()
    theirs = peer.state_dict()
    assert sorted(pairs.values()) == sorted(theirs)
    network.load_state_dict({name: theirs[other] for name, other in pairs.items()})
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        output, expected = network(images), peer(images)
    assert expected.std() > 0.01
    assert torch.allclose(output, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_an_output_stride_dilates_and_keeps_every_tensor():
    spec = archspec.load_spec(archspec_ghost.SPEC)
    dilated = archspec.load_spec(archspec_ghost.SPEC, ["output_stride=16"])
    plan, wider = (archspec.plan_network(one) for one in (spec, dilated))
    assert list(wider.tensors()) == list(plan.tensors())
    assert [plan.shape(plan.blocks[-1].input), wider.shape(wider.blocks[-1].input)] == [(160, 7, 7), (160, 14, 14)]


def test_what_stands_before_a_stride_that_was_left_out_sees_as_before():
    plan = archspec.plan_network(archspec.load_spec(archspec_ghost.SPEC, ["output_stride=8"]))
    dilations = {step.name: step.operation.dilation for step in plan.steps if hasattr(step.operation, "dilation")}
    first = "stages.10.0"  # two strides are left out: its own and that of stage 5
    assert [dilations[f"{first}.{name}"] for name in ("ghost1.cheap", "depthwise", "shortcut.depthwise")] == [2, 2, 2]
    assert [dilations[name] for name in (f"{first}.ghost2.cheap", "stages.11.0.ghost1.cheap")] == [4, 4]


def test_an_even_kernel_is_refused(plan_of):
    with pytest.raises(DocumentError, match=r"must be odd, unlike 4") as caught:
        plan_of("filters: 16, kernel: 4")
    assert caught.value.diagnostics[0].path == ("stages", 0, "kernel")
