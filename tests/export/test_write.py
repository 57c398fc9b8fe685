"""Writing a network: what is in the files, and that what fails leaves nothing."""

import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors
import torch

import archspec
from archspec import Plugins
from archspec.errors import ExportError, PluginError
from archspec.export.write import write_export
from archspec.spec.settings import default_options
from archspec.weights.source import open_source

PLUGINS = Plugins(installed=False)


def options_of(name, plugins=PLUGINS, **values):
    return default_options("exporters", name, plugins, **values)


def batch_of(images, exported):
    return torch.randn(images, *exported.plan.input, generator=torch.Generator().manual_seed(images))


def test_safetensors_has_every_tensor_to_the_bit_and_says_what_it_is(exported, tmp_path, write_spec):
    target = tmp_path / "out.safetensors"
    written = write_export(options_of("safetensors"), exported, target)
    assert (written.path, written.bytes) == (target, target.stat().st_size)
    assert written.comparison.absolute == 0
    with safetensors.safe_open(target, framework="pt") as opened:
        found = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        metadata = opened.metadata()
    state = exported.network.state_dict()
    assert set(found) == {name for name, _, _ in exported.plan.tensors()} == set(state)
    for name, tensor in found.items():
        assert tensor.dtype == state[name].dtype
        assert torch.equal(tensor, state[name]), name
    assert metadata["format"] == "pt"
    assert json.loads(metadata["classes"]) == ["cat", "dog", "emu"]
    assert json.loads(metadata["preprocessing"])["size"] == [24, 20]
    assert archspec.load_spec(write_spec(metadata["spec"])) == exported.spec


def test_the_weights_commands_know_what_a_file_says(exported, tmp_path):
    write_export(options_of("safetensors"), exported, tmp_path / "out.safetensors")
    source = open_source(tmp_path / "out.safetensors")
    assert source.classes == exported.classes
    assert source.preprocessing.values == exported.preprocessing
    again = archspec.build_network(exported.spec)
    assert archspec.load_weights(again, tmp_path / "out.safetensors").naming == "archspec"
    batch = batch_of(2, exported)
    with torch.no_grad():
        assert torch.equal(again.eval()(batch), exported.network(batch))


def test_what_is_not_known_is_left_out(exported, tmp_path):
    unknown = dataclasses.replace(exported, classes=None, preprocessing=None)
    write_export(options_of("safetensors"), unknown, tmp_path / "out.safetensors")
    with safetensors.safe_open(tmp_path / "out.safetensors", framework="pt") as opened:
        assert set(opened.metadata()) == {"format", "spec"}
    assert unknown.record()["classes"] is unknown.record()["preprocessing"] is None


def run_alone(target, batch, folder):
    """What a program makes of a batch in a process in which archspec cannot be imported; and its extra file."""
    torch.save(batch, folder / "batch.pth")
    code = """
import sys
sys.modules["archspec"] = None  # an import of it fails
import torch
extra = {"archspec.json": ""}
program = torch.export.load(sys.argv[1], extra_files=extra).module()
made = program(torch.load("batch.pth"))
assert not made.requires_grad
torch.save(made, "made.pth")
print(extra["archspec.json"])
"""
    done = subprocess.run([sys.executable, "-c", code, target], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "made.pth"), json.loads(done.stdout)


@pytest.mark.parametrize("images", [1, 5])
def test_a_program_runs_where_there_is_no_archspec(exported, tmp_path, images):
    target, batch = tmp_path / "out.pt2", batch_of(images, exported)
    written = write_export(options_of("torch-export"), exported, target)
    assert written.comparison.absolute <= 1e-5
    made, facts = run_alone(target, batch, tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(made, exported.network(batch), rtol=0, atol=1e-5)
    torch.testing.assert_close(made.sum(1), torch.ones(images))  # the softmax is in it
    assert facts == json.loads(json.dumps(exported.record()))
    assert facts["classes"] == ["cat", "dog", "emu"]


def test_a_program_of_a_fixed_batch_takes_that_one_alone(exported, tmp_path):
    target = tmp_path / "out.pt2"
    written = write_export(options_of("torch-export", batch=3), exported, target)  # compared on two images
    assert written.comparison.absolute <= 1e-5
    program = torch.export.load(target).module()
    with torch.no_grad():
        torch.testing.assert_close(program(batch_of(3, exported)), exported.network(batch_of(3, exported)))
    with pytest.raises(AssertionError, match="3"):
        program(batch_of(2, exported))


@pytest.mark.parametrize("name", ["safetensors", "torch-export"])
def test_the_network_and_random_numbers_are_left_alone(exported, tmp_path, name):
    before = {key: tensor.clone() for key, tensor in exported.network.state_dict().items()}
    random = torch.get_rng_state()
    write_export(options_of(name), exported, tmp_path / "out")
    assert torch.equal(random, torch.get_rng_state())
    assert not exported.network.training
    for key, tensor in exported.network.state_dict().items():
        assert torch.equal(tensor, before[key])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


NOTHING = "def make(options, exported, path):\n    "
FAULTS = {
    "raises": (NOTHING + "path.touch(); raise ValueError('opset')", r"'ours' among exporters of \w+ fails: ValueError"),
    "leaves": (NOTHING + "import sys; sys.exit(3)", r"fails: it calls sys.exit\(3\)"),
    "nothing": (NOTHING + "pass", r"did not write the file that it was given$"),
    "elsewhere": (
        NOTHING + "(path.parent / 'model.bin').touch()",
        r"did not write the file that it was given, but 'model.bin' beside it",
    ),
    "several": (
        NOTHING + "path.touch(); (path.parent / 'data').touch()",
        r"wrote 'data' beside the one file that it was given",
    ),
    "link": (NOTHING + "path.symlink_to('/etc/hostname')", r"did not write the file that it was given"),
    "folder": (NOTHING + "path.mkdir()", r"did not write the file that it was given"),
    "text": (
        NOTHING + "path.touch(); return 'done'",
        r"must return None, or a function that runs the file, not 'done'",
    ),
    "lies": (
        NOTHING + "path.touch(); network = exported.network; return lambda batch: network(batch) + 1e-3",
        r"the file of 'ours' among exporters of \w+ differs from the network by 0.001, of outputs up to",
    ),
    "nan": (
        NOTHING + "path.touch(); return lambda batch: exported.network(batch) * float('nan')",
        r"differs from the network by nan",
    ),
    "breaks the network": (
        NOTHING + "path.touch(); exported.network.head.linear.bias += 1.5 * torch.arange(3); return exported.network",
        r"differs from the network by",
    ),
    "shape": (
        NOTHING + "path.touch(); return lambda batch: exported.network(batch)[0]",
        r"the file of 'ours' among exporters of \w+ makes \(3,\) of a batch, not \(2, 3\)",
    ),
    "no tensor": (NOTHING + "path.touch(); return lambda batch: None", r"makes NoneType of a batch, not \(2, 3\)"),
    "raises later": (
        NOTHING + "path.touch()\n    def run(batch):\n        raise KeyError('input')\n    return run",
        r"'ours' among exporters of \w+ fails: KeyError: 'input' \(.*\.py:\d+\)",
    ),
}


@pytest.mark.parametrize("there", [None, b"of before"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_plugin_is_told_as_its_own_and_leaves_nothing(exported, tmp_path, plugins_of, fault, there):
    source, said = FAULTS[fault]
    options = options_of("ours", plugins_of(source))
    folder = tmp_path / "out"
    folder.mkdir()
    if there is not None:
        (folder / "x.bin").write_bytes(there)
    with pytest.raises(PluginError, match=said):
        write_export(options, exported, folder / "x.bin")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == ({} if there is None else {"x.bin": there})


def test_an_exporter_that_cannot_run_its_file_is_not_compared(exported, tmp_path, plugins_of):
    plugins = plugins_of(NOTHING + "path.write_bytes(b'done')")
    written = write_export(options_of("ours", plugins), exported, tmp_path / "x.bin")
    assert (written.bytes, written.comparison) == (4, None)
    assert (tmp_path / "x.bin").read_bytes() == b"done"


def test_what_an_exporter_refuses_is_its_own_error(exported, tmp_path, plugins_of):
    plugins = plugins_of(NOTHING + "raise ExportError('it needs a library', help='pip install it')")
    with pytest.raises(ExportError, match=r"^it needs a library$"):
        write_export(options_of("ours", plugins), exported, tmp_path / "x.bin")


def test_a_network_without_finite_outputs_is_not_written(exported, tmp_path):
    exported.network.head.linear.bias.fill_(float("nan"))
    with pytest.raises(ExportError, match="the outputs of tiny are no finite numbers"):
        write_export(options_of("safetensors"), exported, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_what_torch_cannot_follow_is_an_error_with_a_way_out(exported, tmp_path):
    class Branches(torch.nn.Module):
        def forward(self, x):
            return x * 2 if x.sum() > 0 else x

    exported.network.head.linear = torch.nn.Sequential(Branches(), exported.network.head.linear)
    with pytest.raises(ExportError, match=r"torch\.export fails: ") as caught:
        write_export(options_of("torch-export"), exported, tmp_path / "x")
    assert "safetensors takes every network" in caught.value.help
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["safetensors", "torch-export"])
def test_a_full_disk_is_told_and_leaves_nothing(exported, tmp_path, monkeypatch, name):
    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ExportError, match=r"'.*x.bin' cannot be written: No space left on device"):
        write_export(options_of(name), exported, tmp_path / "x.bin")
    assert list(tmp_path.iterdir()) == []
