"""`archspec weights`: what is printed, as text and as JSON, exit codes, and files that are written or not."""

import json
from pathlib import Path

import pytest
import torch
import torchvision

import archspec


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(torchvision.models.resnet18().state_dict(), path)
    return path


def test_a_plan_fits_a_narrow_terminal(cli, resnet18, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.chdir(resnet18.parent)
    result = cli("weights", "plan", "resnet18", "resnet18.pth", "--set", "head.classes=10", "--set", "input.channels=1")
    assert result.code == 0
    assert result.err == ""
    lines = [line.rstrip() for line in result.out.splitlines()]
    assert all(len(line) <= 60 for line in lines)
    assert lines[4:] == [
        "           tensors   parameters",
        " ──────────────────────────────",
        " copied        119   11,167,104",
        " adapted         1        3,136",
        " reset           2        5,130",
        " missing         0            0",
        " unused          0            0",
        "",
        "adapted       stem.conv.weight: 3 input channels there, 1",
        "                here: sum, w'[:, j] = (w[:, 0] + ... + w[:,",
        "                I-1]) / J",
        "reset         head.linear.weight, bias: 1,000 classes there,",
        "                10 here",
        "preprocessing 224x224 of 256x256, bilinear, crop 0.875, mean",
        "                0.485 0.456 0.406, std 0.229 0.224 0.225",
        "              assumed: that of torchvision's IMAGENET1K_V1",
        "                weights of resnet18",
        "coverage      100.0%: 11,170,240 of 11,170,240 parameters",
        "                take values; 5,130 that begin afresh on",
        "                purpose are left out",
    ]


def test_a_file_that_does_not_fit_ends_in_one_with_its_table(cli, resnet18):
    result = cli("weights", "plan", "resnet34", resnet18)
    assert result.code == 1
    assert "missing        96   10,108,160" in result.out
    assert result.err == (
        f"error: '{resnet18}' does not fit resnet34: it gives values to 53.6% of the parameters, under 95%; it lacks "
        "the 8 blocks stages.0.2, stages.1.2-3, stages.2.2-5, stages.3.2: it is of a network with fewer blocks\n"
        "  help: of the zoo, resnet18 has its tensors\n"
    )
    told = cli("weights", "plan", "resnet34", resnet18, "--json")
    assert told.code == 1
    assert told.json["ok"] is False
    assert told.json["errors"][0]["help"] == "of the zoo, resnet18 has its tensors"
    assert told.json["counts"]["missing"] == {"tensors": 96, "parameters": 10_108_160}


@pytest.mark.parametrize("allowed", [["--allow-missing"], ["--allow", "stages.*"]])
def test_what_is_missing_is_allowed(cli, resnet18, allowed):
    result = cli("weights", "plan", "resnet34", resnet18, *allowed)
    assert result.code == 0
    assert ": not in the file, allowed" in " ".join(result.out.split())


def test_json_is_one_document_with_every_tensor(cli, resnet18):
    told = cli("weights", "plan", "resnet18", resnet18, "--set", "head.classes=10", "--json").json
    assert told["ok"] is True
    assert (told["naming"], told["coverage"], told["network"]) == ("torchvision", 1.0, "resnet18")
    assert len(told["tensors"]) == 122
    assert told["tensors"][-1]["action"] == "reset"
    assert told["preprocessing"]["stated"] is False
    assert len(told["sha256"]) == 64


def test_a_run_carries_its_head_over_by_name(cli, trained, spec_file, tmp_path):
    (tmp_path / "mine.txt").write_text("red\nyellow\nblue\ngrey\n")
    arguments = ["--network-classes", tmp_path / "mine.txt", "--set", "head.classes=4"]
    result = cli("weights", "plan", spec_file, trained, *arguments)
    assert result.code == 0
    assert "head.linear.weight, bias: 2 of 4 classes by name, 2 new" in result.out
    assert "note          its checkpoint 'best' was taken, and not 'last'; --key chooses" in result.out
    assert "stated by the run's manifest" in result.out
    assert "3 of the file: blue, green, red" in result.out


def test_the_spec_of_a_run_takes_its_own_checkpoint_whole(cli, trained):
    told = cli("weights", "plan", trained / "spec.yaml", trained / "checkpoints" / "last", "--json").json
    assert told["coverage"] == 1.0
    assert told["counts"]["copied"]["tensors"] == len(told["tensors"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.pth"], "error: there is no weights file 'missing.pth'\n"),
        (["w.pth", "--key", "ema"], "error: 'w.pth' holds no state dict under 'ema'\n  help: leave --key out\n"),
        (["w.pth", "--map", "none.yaml"], "error: there is no file 'none.yaml'\n"),
        (["w.pth", "--classes", "none.txt"], "error: the file of classes 'none.txt' cannot be read: no such file or "),
        (["w.pth", "--head", "by-name"], "error: a head by name needs the names of the file's classes, which are not"),
        (
            ["w.pth", "--allow", "layer1"],
            "error: 'layer1' matches no tensor of the network\n  help: a pattern is of the",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_line(cli, resnet18, monkeypatch, tmp_path, arguments, said):
    monkeypatch.chdir(tmp_path)
    Path("w.pth").symlink_to(resnet18)
    for extra in ([], ["--json"]):
        result = cli("weights", "plan", "resnet18", *arguments, *extra)
        assert result.code == 1
        assert result.err.startswith(said)
        assert not extra or result.json["ok"] is False


@pytest.mark.parametrize("option", ["--key", "--map", "--allow", "--classes", "--network-classes"])
def test_an_empty_option_is_wrong_usage(cli, resnet18, option):
    result = cli("weights", "plan", "resnet18", resnet18, option, "")
    assert result.code == 2
    assert "it is empty" in result.err


def test_verify_tells_that_outputs_are_equal(cli, resnet18):
    arguments = [resnet18, "--set", "input.size=64"]
    result = cli("weights", "verify", "resnet18", *arguments, "--against", "torchvision:resnet18")
    assert result.code == 0
    assert result.out.endswith("argmax        the same for 4 of 4 images\nequal\n")
    told = cli("weights", "verify", "resnet18", *arguments, "--against", "torchvision:resnet18", "--json").json
    assert (told["equal"], told["absolute"], told["images"]) == (True, 0.0, 4)


def test_verify_finds_a_network_that_computes_something_else(cli, resnet18):
    """Tensors of the same shapes, behind another activation."""
    changed = ["--set", "input.size=64", "--set", "defaults.activation=silu"]
    for extra in ([], ["--json"]):
        result = cli("weights", "verify", "resnet18", resnet18, *changed, "--against", "torchvision:resnet18", *extra)
        assert result.code == 1
        assert result.json["ok"] is False if extra else result.out.endswith("different\n")


def test_verify_is_strict(cli, resnet18):
    result = cli("weights", "verify", "resnet34", resnet18, "--against", "torchvision:resnet34")
    assert result.code == 1
    assert "does not fit resnet34: 80 missing: stages.0.2.conv1.weight, " in result.err


def test_convert_writes_once_and_again_only_by_force(cli, resnet18, tmp_path):
    out = tmp_path / "ours.safetensors"
    convert = ("weights", "convert", "resnet18", resnet18, out, "--to", "archspec")
    told = cli(*convert, "--json").json
    assert (told["from"], told["to"], told["tensors"]) == ("torchvision", "archspec", 122)
    before = out.read_bytes()
    result = cli(*convert)
    assert result.code == 1
    assert result.err == f"error: '{out}' exists already\n  help: name another file, or add --force\n"
    out.write_bytes(b"old")
    assert cli(*convert, "--force").code == 0
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    network = archspec.build_network("resnet18")
    assert archspec.load_weights(network, out).naming == "archspec"


def test_what_cannot_be_converted_writes_nothing(cli, resnet18, tmp_path):
    result = cli("weights", "convert", "resnet34", resnet18, tmp_path / "out.pth", "--to", "archspec")
    assert result.code == 1
    assert "does not fit resnet34: 80 missing" in result.err
    assert cli("weights", "convert", "resnet18", resnet18, tmp_path / "out.onnx", "--to", "timm").code == 2
    assert cli("weights", "convert", "resnet18", resnet18, tmp_path / "a" / "out.pth", "--to", "timm").code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_plan_of_a_map_in_json(cli, resnet18, tmp_path):
    (tmp_path / "map.json").write_text(json.dumps({"head.linear": "fc", "stem.conv.weight": "conv1.weight"}))
    result = cli("weights", "plan", "resnet18", resnet18, "--map", tmp_path / "map.json")
    assert result.code == 0
    assert "note          the map gives 3 of 122 tensors" in result.out
