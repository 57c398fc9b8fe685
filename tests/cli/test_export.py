"""`archspec export`: what is written and said of a run and of a spec, and that what is wrong leaves nothing."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision

import archspec
from archspec.cli.app import run as run_command

PLUGIN = """
from pathlib import Path
from archspec import ExporterOptions, Offer, hookimpl

class Format(ExporterOptions):
    suffix = ".ours"

def raises(options, exported, path):
    path.write_text("half")
    raise ValueError("opset")

def nothing(options, exported, path):
    pass

def lies(options, exported, path):
    path.write_text("whole")
    return lambda batch: exported.network(batch) * 1.1

def prints(options, exported, path):
    print("a word")
    path.write_text(",".join(exported.classes))

@hookimpl
def archspec_exporters():
    return {make.__name__: Offer(Format, make) for make in (raises, nothing, lies, prints)}
"""


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    """torchvision's ResNet-18, and its file."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18()
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(network.state_dict(), path)
    return network.eval(), path


@pytest.fixture
def run(trained, in_empty_folder):
    """A run in the current folder, which is empty beside it."""
    shutil.copytree(trained, "photos")
    return "photos"


@pytest.fixture
def plugin(in_empty_folder, monkeypatch):
    folder = in_empty_folder.parent / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    (folder / "exporting.py").write_text(PLUGIN)
    yield "exporting"
    sys.modules.pop("exporting", None)


def contents(folder):
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def change_last(run):
    """Give the checkpoint `last` other tensors than `best` has, whichever epoch was the best."""
    folder = run / "checkpoints" / "last"
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    tensors["head.linear.bias"] = tensors["head.linear.bias"] + 1
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["model.safetensors"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("checkpoint", [None, "best", "last"])
def test_a_run_becomes_its_checkpoints_tensors(cli, run, checkpoint):
    change_last(Path(run))
    chosen = [] if checkpoint is None else ["--checkpoint", checkpoint]
    result = cli("export", run, "--to", "safetensors", *chosen)
    assert (result.code, result.err) == (0, "")
    assert re.fullmatch(
        r"wrote photos.safetensors: [\d.]+ kB; run again, its outputs differ by 0 at most, of up to [\d.]+\n",
        result.out,
    )
    there = safetensors.torch.load_file(f"photos/checkpoints/{checkpoint or 'best'}/model.safetensors")
    found = safetensors.torch.load_file("photos.safetensors")
    assert set(found) == set(there)
    assert all(torch.equal(found[name], there[name]) for name in there)
    with safetensors.safe_open("photos.safetensors", framework="pt") as opened:
        metadata = opened.metadata()
    info = json.loads(Path("photos/run.json").read_text())
    assert json.loads(metadata["classes"]) == info["classes"] == ["blue", "green", "red"]
    assert json.loads(metadata["preprocessing"]) == info["preprocessing"]
    assert json.loads(metadata["spec"])["head"]["classes"] == 3


def test_a_run_becomes_a_program(cli, run):
    told = cli("export", run, "--to", "torch-export", "--out", "deep.pt2", "--json").json
    assert told["ok"] is True
    assert (told["source"], told["exporter"], told["output"]) == ("photos", "torch-export", "deep.pt2")
    assert told["bytes"] == Path("deep.pt2").stat().st_size
    assert told["sha256"] == hashlib.sha256(Path("deep.pt2").read_bytes()).hexdigest()
    assert told["difference"]["images"] == 2
    assert told["difference"]["absolute"] <= 1e-5
    images = torch.rand(3, 3, 16, 16)
    network = archspec.build_network(archspec.load_spec("photos/spec.yaml")).eval()
    archspec.load_weights(network, "photos")
    made = torch.export.load("deep.pt2").module()(images)
    assert not made.requires_grad  # whoever runs it need not say that nothing is trained
    with torch.no_grad():
        torch.testing.assert_close(made, network(images))


def test_a_spec_becomes_what_torchvision_computes(cli, resnet18, in_empty_folder):
    network, weights = resnet18
    result = cli("export", "resnet18", "--weights", weights, "--to", "torch-export", "--set", "input.size=64")
    assert (result.code, result.err) == (0, "")
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(torch.export.load("resnet18.pt2").module()(images), network(images))


def test_a_spec_becomes_torchvisions_tensors(cli, resnet18, in_empty_folder):
    network, weights = resnet18
    assert cli("export", "resnet18", "--weights", weights, "--to", "safetensors").code == 0
    with safetensors.safe_open("resnet18.safetensors", framework="pt") as opened:
        assert set(opened.metadata()) == {"format", "spec"}  # torchvision's file states no classes
    theirs = network.state_dict()
    ours = safetensors.torch.load_file("resnet18.safetensors")
    pairs = {
        "stem.conv.weight": "conv1.weight",
        "head.linear.bias": "fc.bias",
        "stem.norm.running_var": "bn1.running_var",
    }
    pairs["stages.1.0.shortcut.conv.weight"] = "layer2.0.downsample.0.weight"
    for name, other in pairs.items():
        assert torch.equal(ours[name], theirs[other])
    assert len(ours) == len(theirs)


def test_a_spec_takes_the_classes_of_a_run(cli, run):
    result = cli("export", "photos/spec.yaml", "--weights", run, "--to", "safetensors")
    assert result.code == 0
    with safetensors.safe_open("spec.safetensors", framework="pt") as opened:
        assert json.loads(opened.metadata()["classes"]) == ["blue", "green", "red"]
        assert json.loads(opened.metadata()["preprocessing"])["size"] == [16, 16]


def test_preprocessing_is_for_the_size_that_is_exported(cli, run):
    result = cli("export", "photos/spec.yaml", "--weights", run, "--to", "safetensors", "--set", "input.size=[24,20]")
    assert result.code == 0
    with safetensors.safe_open("spec.safetensors", framework="pt") as opened:
        assert json.loads(opened.metadata()["preprocessing"])["size"] == [24, 20]


def test_a_file_that_states_another_number_of_classes_is_refused(cli, run):
    tensors = safetensors.torch.load_file("photos/checkpoints/best/model.safetensors")
    stated = {"pretrained_cfg": "{}", "label_names": '["blue", "green"]'}
    safetensors.torch.save_file(tensors, "odd.safetensors", stated)
    result = cli("export", "photos/spec.yaml", "--weights", "odd.safetensors", "--to", "safetensors")
    assert result.code == 1
    assert "the file's head has 3 classes, and there are 2 names for them" in result.err
    assert not Path("spec.safetensors").exists()


def test_a_name_with_a_dot_is_kept_whole(cli, in_empty_folder):
    Path("regnet-y-1.6gf.safetensors").touch()
    result = cli("export", "regnet-y-1.6gf", "--to", "safetensors", "--weights", "x.pth")
    assert "error: 'regnet-y-1.6gf.safetensors' exists already" in result.err


def test_a_name_of_the_zoo_is_a_spec_beside_a_folder_of_that_name(cli, resnet18, in_empty_folder):
    Path("resnet18").mkdir()
    assert cli("export", "resnet18", "--weights", resnet18[1], "--to", "safetensors").code == 0
    assert Path("resnet18.safetensors").is_file()


def test_a_file_is_replaced_when_that_is_said(cli, run):
    Path("photos.safetensors").write_text("mine")
    result = cli("export", run, "--to", "safetensors")
    assert result.code == 1
    assert result.err == (
        "error: 'photos.safetensors' exists already\n  help: name another file with --out, or add --force\n"
    )
    assert Path("photos.safetensors").read_text() == "mine"
    assert cli("export", run, "--to", "safetensors", "--force").code == 0
    assert len(safetensors.torch.load_file("photos.safetensors")) > 10


WRONG = {
    "no run": (["absent", "--to", "safetensors"], "there is no run directory and no spec 'absent'"),
    "a folder": (["empty", "--to", "safetensors"], "'empty' is no run directory: it holds no run.json"),
    "a damaged run": (["damaged", "--to", "safetensors"], "is damaged: its SHA-256 is not the manifest's"),
    "unknown exporter": (["photos", "--to", "safetensor"], "unknown exporter 'safetensor'\n  --> --to:1:1"),
    "unknown option": (
        ["photos", "--to", "torch-export", "--set", "export.bach=3"],
        "unknown key 'bach'\n  --> --set:1:8   export.bach\n",
    ),
    "option of another": (["photos", "--to", "safetensors", "--set", "export.batch=3"], "unknown key 'batch'"),
    "wrong option": (
        ["photos", "--to", "torch-export", "--set", "export.batch=0"],
        "'export.batch' must be at least 1",
    ),
    "missing folder": (
        ["photos", "--to", "safetensors", "--out", "no/x.safetensors"],
        "the folder 'no' does not exist",
    ),
    "out is a folder": (["photos", "--to", "safetensors", "--out", "empty"], "'empty' is a folder"),
    "no weights file": (
        ["resnet18", "--to", "safetensors", "--weights", "no.pth"],
        "there is no weights file 'no.pth'",
    ),
    "another network": (
        ["resnet34", "--to", "safetensors", "--weights", "resnet18.pth"],
        "it gives values to 53.6% of the parameters",
    ),
    "another head": (
        ["resnet18", "--to", "safetensors", "--weights", "resnet18.pth", "--set", "head.classes=10"],
        "does not fit resnet18: 2 of another shape: head.linear.weight",
    ),
    "wrong spec": (
        ["resnet18", "--to", "safetensors", "--weights", "resnet18.pth", "--set", "head.clases=10"],
        "unknown key 'clases'",
    ),
    "raises": (["photos", "--to", "raises"], "'raises' among exporters of exporting fails: ValueError: opset ("),
    "nothing": (["photos", "--to", "nothing"], "exporters of exporting did not write the file that it was given"),
    "lies": (["photos", "--to", "lies"], "the file of 'lies' among exporters of exporting differs from the network by"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_one_error_and_leaves_everything_as_it_was(cli, run, plugin, resnet18, kind):
    arguments, said = WRONG[kind]
    Path("empty").mkdir()
    shutil.copytree(run, "damaged")
    model = Path("damaged/checkpoints/best/model.safetensors")
    content = model.read_bytes()
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    Path("resnet18.pth").symlink_to(resnet18[1])
    before = contents(".")
    plain = cli("-p", plugin, "export", *arguments)
    told = cli("-p", plugin, "export", *arguments, "--json")
    assert plain.code == told.code == 1
    assert said in plain.err
    assert plain.err.startswith("error: ")
    assert (plain.out, told.json["ok"]) == ("", False)
    assert told.json["errors"][0]["message"] in plain.err
    assert contents(".") == before


USAGE = {
    "no exporter": (["photos"], "--to"),
    "empty name": (["photos", "--to", ""], "it is empty"),
    "empty file": (["photos", "--to", "safetensors", "--out", ""], "it is empty"),
    "weights of a run": (["photos", "--to", "safetensors", "--weights", "x.pth"], "--weights is for a spec"),
    "spec of a run": (["photos", "--to", "safetensors", "--set", "head.classes=3"], "not 'head.classes=3'"),
    "spec alone": (["resnet18", "--to", "safetensors"], "which has no weights: give --weights FILE, or name a run"),
    "checkpoint of a spec": (
        ["resnet18", "--to", "safetensors", "--weights", "x.pth", "--checkpoint", "last"],
        "--checkpoint is for a run",
    ),
}


@pytest.mark.parametrize("kind", USAGE)
def test_wrong_usage_ends_in_two(cli, run, monkeypatch, kind):
    monkeypatch.setenv("COLUMNS", "200")
    arguments, said = USAGE[kind]
    before = contents(".")
    result = cli("export", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert contents(".") == before


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_may_not_be_written_to(cli, run):
    Path("locked").mkdir()
    Path("locked").chmod(0o500)
    result = cli("export", run, "--to", "safetensors", "--out", "locked/x.safetensors")
    Path("locked").chmod(0o700)
    assert result.code == 1
    assert "error: 'locked/x.safetensors' cannot be written: Permission denied" in result.err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody may write")
def test_a_folder_in_which_nobody_may_write(cli, run):
    result = cli("export", run, "--to", "safetensors", "--out", "/proc/self/x.safetensors")
    assert result.code == 1
    assert "error: '/proc/self/x.safetensors' cannot be written: " in result.err


def test_an_exporter_of_a_plugin_that_prints_and_runs_nothing(cli, run, plugin):
    result = cli("-p", plugin, "export", run, "--to", "prints")
    assert result.out == "wrote photos.ours: 14 B; its exporter cannot run it, so nothing was compared\n"
    assert Path("photos.ours").read_text() == "blue,green,red"
    told = cli("-p", plugin, "export", run, "--to", "prints", "--force", "--json")
    assert told.json["difference"] is None
    assert "a word" in told.err


def test_the_name_of_the_current_folder_is_a_source(run, monkeypatch, capsys):
    monkeypatch.chdir(run)
    assert run_command(["export", ".", "--to", "safetensors"]) == 0
    assert capsys.readouterr().out.startswith("wrote photos.safetensors: ")


def test_no_torch_is_imported_before_the_command_line_is_right(in_empty_folder):
    """A misspelt exporter is told at once."""
    code = "import sys; from archspec.cli.app import run; run(sys.argv[1:]); print('torch' in sys.modules)"
    words = ["export", "resnet18", "--to", "safetensor"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")


def test_the_page_has_every_exporter_and_the_keys_of_json(cli, run):
    built_in = archspec.Plugins(installed=False).offers("exporters")
    assert set(re.findall(r"^\| `([\w-]+)` \| `(\.\w+)` \|", PAGE, re.MULTILINE)) == {
        (name, offer.options.suffix) for name, offer in built_in.items()
    }
    told = cli("export", run, "--to", "safetensors", "--json").json
    listed = PAGE.partition("`--json` prints ")[2]
    for key in ({*told} | {*told["difference"]}) - {"ok", "errors"}:
        assert f"`{key}`" in listed


def test_the_python_of_the_page_names_classes(cli, run):
    assert cli("export", run, "--to", "torch-export").code == 0
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(code, names)
    assert len(names["names"]) == 4
    assert set(names["names"]) <= {"blue", "green", "red"}


def test_the_commands_of_the_page_are_commands(cli, run, resnet18):
    Path("runs").mkdir()
    shutil.move(run, "runs/photos")
    Path("resnet18-imagenet.pth").symlink_to(resnet18[1])
    commands = re.findall(r"^\$ archspec (export .*)$", PAGE, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        result = cli(*command.split())
        assert result.code == 0, result.err
    assert {path.name for path in Path().iterdir()} >= {"photos.pt2", "photos-last.safetensors", "resnet18.pt2"}
