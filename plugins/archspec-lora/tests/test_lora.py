"""Adapters: the plan with them, the policy, what a run trains, and the merged weights, which give the same logits."""

import errno
import json
import math
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from archspec_lora import LoraOptions, lora, rewrite
from archspec_lora.command import merge_run
from archspec_lora.modules import merged_state
from archspec_lora.operation import LoraConv
from halting import Halting
from PIL import Image
from safetensors.torch import load_file

import archspec
from archspec import ImpossibleFreezing
from archspec.errors import RunError
from archspec.testing import check_command, check_freezing_policy

SPEC = """name: two-blocks
input: {channels: 3, size: 16}
stem: {type: conv, filters: 16, kernel: 3, strides: 1}
stages:
  - {block: basic, filters: 16, strides: 2}
  - {block: bottleneck, filters: 16, strides: 2, groups: 4}
head: {type: classifier, classes: 2}
"""
CODE = "import sys; from archspec.cli import main; sys.exit(main())"


def plan_of(folder, text):
    (folder / "spec.yaml").write_text(text)
    return archspec.plan_network(archspec.load_spec(folder / "spec.yaml"))


@pytest.fixture
def plan(tmp_path):
    return plan_of(tmp_path, SPEC)


def randomise(network):
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if tensor.ndim == 1 else torch.randn_like(tensor) / 8)


def test_the_policy():
    check_freezing_policy("lora")
    check_freezing_policy("lora", options={"rank": 2, "norms": True}, seed=1)


def test_the_command():
    check_command("lora-merge")


def test_what_gets_an_adapter(plan):
    made = rewrite(LoraOptions(rank=4), plan)
    adapted = {step.name for step in made.steps if isinstance(step.operation, LoraConv)}
    assert adapted == {
        *(f"stages.0.0.{name}" for name in ("conv1", "conv2", "shortcut.conv")),
        *(f"stages.1.0.{name}" for name in ("conv1", "conv3", "shortcut.conv")),  # conv2 has four groups
    }
    assert made.receptive_field == plan.receptive_field
    # by hand: both convolutions of stage 0 make 8x8, the 1x1 ones too; of stage 1, conv1 stands before the stride
    pixels = {"stages.0.0": 8 * 8, "stages.1.0": 4 * 4, "stages.1.0.conv1": 8 * 8}
    macs = sum(
        pixels.get(step.name, pixels[step.name[:10]]) * sum(math.prod(shape) for shape in step.operation.added.values())
        for step in made.steps
        if isinstance(step.operation, LoraConv)
    )
    assert made.macs - plan.macs == macs
    before = {name: shape for name, shape, _ in plan.tensors()}
    after = {name: shape for name, shape, _ in made.tensors()}
    assert after.items() >= before.items()
    assert after["stages.0.0.conv1.down.weight"] == (4, 16, 3, 3)
    assert after["stages.0.0.conv1.up.weight"] == (16, 4, 1, 1)
    # by hand: rank * (channels in * kernel^2 + channels out) for each
    added = 4 * (16 * 9 + 16) + 4 * (16 * 9 + 16) + 4 * (16 + 16) + 4 * (16 + 16) + 4 * (16 + 64) + 4 * (16 + 64)
    assert made.parameters - plan.parameters == added
    # pixels of each output times its adapter: 8x8 of the first stage, and of the second 8x8 before its stride
    first, second = 2 * 4 * (16 * 9 + 16) + 4 * (16 + 16), 4 * (16 + 64) + 4 * (16 + 64)
    assert made.macs - plan.macs == 64 * (first + 4 * (16 + 16)) + 16 * second
    assert (made.depth, made.receptive_field, made.output) == (plan.depth, plan.receptive_field, plan.output)


def test_the_module_is_the_plan(plan):
    made = rewrite(LoraOptions(rank=4), plan)
    network = archspec.compile_network(made)
    assert [(name, tuple(tensor.shape)) for name, tensor in network.state_dict().items()] == [
        (name, shape) for name, shape, _ in made.tensors()
    ]
    seen = []
    for step in made.steps:
        hook = lambda module, inputs, output, step=step: seen.append(tuple(output.shape[1:]) == step.output)  # noqa: E731
        network.get_submodule(step.name).register_forward_hook(hook)
    network.eval()(torch.randn(2, 3, 16, 16))
    assert len(seen) == len(made.steps)
    assert all(seen)


def test_it_begins_as_the_network_without(plan):
    plain, made = archspec.compile_network(plan), archspec.compile_network(rewrite(LoraOptions(), plan))
    made.load_state_dict(plain.state_dict(), strict=False)
    images = torch.randn(4, 3, 16, 16)
    assert torch.equal(plain.eval()(images), made.eval()(images))


@pytest.mark.parametrize("alpha", [4.0, 16.0])
@pytest.mark.parametrize("dilated", [False, True])
def test_merged_weights_give_the_same_logits(tmp_path, plan, alpha, dilated):
    torch.manual_seed(0)
    if dilated:
        plan = archspec.plan_network(archspec.load_spec(tmp_path / "spec.yaml", ["stages.*.dilation=2"]))
    network = archspec.compile_network(rewrite(LoraOptions(rank=4, alpha=alpha), plan))
    randomise(network)
    merged = archspec.compile_network(plan, state=merged_state(network))
    images = torch.randn(4, 3, 16, 16)
    expected = network.eval()(images)
    without = archspec.compile_network(plan, state=network.state_dict()).eval()(images)
    assert torch.allclose(merged.eval()(images), expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(without, expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    "change", [("head:", "defaults: {bias: true}\nhead:"), ("filters: 16, strides: 2", "filters: 16, dilation: 2")]
)
def test_biases_and_dilated_kernels_are_merged(tmp_path, change):
    torch.manual_seed(0)
    plan = plan_of(tmp_path, SPEC.replace(*change))
    network = archspec.compile_network(rewrite(LoraOptions(rank=4), plan))
    randomise(network)
    convs = [step.operation.conv for step in network.plan.steps if isinstance(step.operation, LoraConv)]
    assert any(conv.bias or (conv.dilation > 1 and conv.kernel > 1) for conv in convs)
    merged = archspec.compile_network(plan, state=merged_state(network))
    images = torch.randn(4, 3, 16, 16)
    expected = network.eval()(images).detach()
    assert torch.allclose(merged.eval()(images), expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


def test_what_trains(plan):
    made = rewrite(LoraOptions(), plan)
    treatments = lora(LoraOptions(), made)(0)
    trains = {name for name, treatment in treatments.items() if treatment.trains}
    assert all(name.startswith("head.") or ".down." in name or ".up." in name for name in trains)
    assert len(trains) == 2 * 6 + 2
    with_norms = lora(LoraOptions(norms=True), made)(3)
    more = {name for name, treatment in with_norms.items() if treatment.trains} - trains
    assert len(more) == sum("norm" in name for name in treatments)
    assert all("norm" in name for name in more)


def test_a_scale_is_no_norm(tmp_path):
    """ConvNeXt's blocks have both, and the weights of a norm alone are a norm's."""
    plan = plan_of(tmp_path, SPEC.replace("block: basic", "block: convnext"))
    treatments = lora(LoraOptions(norms=True), rewrite(LoraOptions(norms=True), plan))(0)
    assert treatments["stages.0.0.norm.weight"].trains
    assert not treatments["stages.0.0.scale.weight"].trains


@pytest.mark.parametrize("change", [("padding: tensorflow",), ("weight_standardization: true",)])
def test_a_network_without_a_convolution_to_adapt_is_refused(tmp_path, change):
    plan = plan_of(tmp_path, SPEC.replace("head:", f"defaults: {{{change[0]}}}\nhead:"))
    with pytest.raises(ImpossibleFreezing, match="no stage of two-blocks has a convolution of one group"):
        rewrite(LoraOptions(), plan)


@pytest.fixture
def folder(tmp_path, monkeypatch, plan):
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 24), ("val", 6)):
        for label, name in enumerate(("dark", "light")):
            (tmp_path / "photos" / split / name).mkdir(parents=True)
            for number in range(count):
                noise = np.random.default_rng([label, number, count]).integers(0, 200, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(noise + np.uint8(40 * label)).save(tmp_path / f"photos/{split}/{name}/{number}.png")
    torch.save(archspec.compile_network(plan).state_dict(), tmp_path / "begin.pth")
    return tmp_path


def run(*arguments):
    return subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True)


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_run_trains_the_adapters_and_is_merged(folder, plan, monkeypatch):
    arguments = ["--data", "imagefolder:photos", "--weights", "begin.pth", "--workers", "0", "--batch-size", "8"]
    done = run("train", "spec.yaml", *arguments, "--freeze", "lora:4", "--epochs", "2", "--lr", "0.01", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert run("eval", "run").returncode == 0
    done = run("lora-merge", "run", "merged.safetensors")
    assert done.returncode == 0, done.stderr
    best = folder / "run/checkpoints/best"
    best.rename(folder / "away")
    done = run("lora-merge", "run", "last.safetensors", "--checkpoint", "last")
    assert done.returncode == 0, done.stderr
    assert run("lora-merge", "run", "best.safetensors").returncode == 1
    (folder / "away").rename(best)
    before, merged = torch.load("begin.pth", weights_only=True), load_file("merged.safetensors")
    last = load_file(folder / "run/checkpoints/last/model.safetensors")
    assert torch.equal(load_file("last.safetensors")["head.linear.weight"], last["head.linear.weight"])
    assert merged.keys() == before.keys()
    changed = {name for name in before if not torch.equal(merged[name], before[name])}
    assert {name for name in changed if name.startswith("stages.")} == {
        *(f"stages.0.0.{name}.weight" for name in ("conv1", "conv2", "shortcut.conv")),
        *(f"stages.1.0.{name}.weight" for name in ("conv1", "conv3", "shortcut.conv")),
    }
    assert not any(name.startswith("stem.") for name in changed)
    assert (folder / "merged.safetensors").stat().st_mode == (folder / "spec.yaml").stat().st_mode
    done = run("lora-merge", "run", "gone/merged.safetensors")
    assert done.returncode == 1
    assert done.stderr == (
        "error: 'gone/merged.safetensors' cannot be written: No such file or directory\n  help: name another file\n"
    )
    done = run("weights", "plan", "spec.yaml", "merged.safetensors")
    assert done.returncode == 0, done.stdout
    assert "100.0%" in done.stdout
    assert run("export", "run", "--to", "torch-export", "--out", "adapted.pt2").returncode == 0
    done = run("export", "spec.yaml", "--weights", "merged.safetensors", "--to", "torch-export", "--out", "merged.pt2")
    assert done.returncode == 0, done.stderr
    images = torch.randn(5, 3, 16, 16)
    adapted, merged = (torch.export.load(f"{name}.pt2").module()(images) for name in ("adapted", "merged"))
    assert torch.allclose(adapted, merged, rtol=1e-5, atol=1e-5)
    facts = {"archspec.json": ""}
    torch.export.load("merged.pt2", extra_files=facts)
    assert json.loads(facts["archspec.json"])["classes"] == ["dark", "light"]
    done = run("lora-merge", "run", "merged.safetensors")
    assert (done.returncode, "'merged.safetensors' is there already" in done.stderr) == (1, True)
    (photo, *_) = (folder / "photos" / "val" / "light").iterdir()
    done = run("predict", "run", str(photo))
    assert done.returncode == 0, done.stderr
    for out in ("gone/merged.safetensors", "begin.pth/merged.safetensors"):  # no folder, and a file
        done = run("lora-merge", "run", out)
        assert done.returncode == 1
        assert f"'{out}' cannot be written: " in " ".join(done.stderr.split())
    shutil.rmtree(folder / "run" / "checkpoints" / "best")
    done = run("lora-merge", "run", "best.safetensors")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    opened = archspec.open_run(Path("run"), archspec.Plugins())
    monkeypatch.setattr(Path, "rename", full_disk)
    with pytest.raises(RunError, match=r"'full\.safetensors' cannot be written: No space"):
        merge_run(opened, Path("full.safetensors"), "last")
    assert sorted(path.name for path in folder.glob("*.safetensors*")) == ["last.safetensors", "merged.safetensors"]
    assert not list(folder.glob(".*"))


def test_a_run_that_is_stopped_and_resumed_ends_with_the_bits_of_one_that_was_not(folder):
    """A process is killed at one of the 48 images of its fourth epoch."""
    arguments = ["--data", "imagefolder:photos", "--weights", "begin.pth", "--workers", "0", "--batch-size", "8"]
    arguments += ["--freeze", "lora:4", "--epochs", "6", "--lr", "0.01"]
    assert run("train", "spec.yaml", *arguments, "--out", "whole").returncode == 0
    event = {"at": 3 * 48 + 20, "paths": "*train/*.png", "after": folder / "killed" / "run.json", "die": True}
    with Halting(folder, "train", "spec.yaml", *arguments, "--out", "killed", **event) as process:
        assert process.wait() == -signal.SIGKILL, process.errors
    assert run("train", "--resume", "killed").returncode == 0
    for file in ("model.safetensors", "training.safetensors"):
        ours, theirs = (folder / name / "checkpoints" / "last" / file for name in ("whole", "killed"))
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_run_without_adapters_has_nothing_to_merge(folder):
    arguments = ["--data", "imagefolder:photos", "--workers", "0", "--batch-size", "8", "--epochs", "1"]
    assert run("train", "spec.yaml", *arguments, "--out", "plain").returncode == 0
    done = run("lora-merge", "plain", "merged.safetensors")
    assert done.returncode == 1
    assert "the run 'plain' has no adapters" in done.stderr
    assert not (folder / "merged.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gone", "out.safetensors"), "'gone' is no run directory"),
        (("gone", "out.pth"), "'out.pth' must end in .safetensors"),
        (("gone", "begin.pth"), "'begin.pth' is there already"),
    ],
)
def test_what_cannot_be_merged(folder, arguments, said):
    done = run("lora-merge", *arguments)
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
