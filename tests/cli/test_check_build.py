"""`archspec check` and `archspec build`."""

import subprocess
import sys
import textwrap

import pytest

import archspec


def test_check_json_has_a_row_a_file(cli, spec_file, tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: x\nstem: {type: conv, filters: 16, kernel: 3}\nstages:\n  - {block: basik, filters: 16}\n")
    result = cli("check", spec_file, broken, "resnet18", "--json")
    assert result.code == 1
    assert [row["file"] for row in result.json["files"]] == [str(spec_file), str(broken), "resnet18"]
    assert [row["ok"] for row in result.json["files"]] == [True, False, True]
    assert result.json["ok"] is False
    sound, faulty, zoo = result.json["files"]
    assert sound["errors"] == []
    network = archspec.build_network(spec_file)
    assert sound["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert (zoo["parameters"], zoo["macs"], zoo["depth"], zoo["receptive_field"]) == (11689512, 1814073344, 18, 435)
    error = next(error for error in faulty["errors"] if "basik" in error["message"])
    assert {key: error[key] for key in ("file", "line", "column", "path")} == {
        "file": str(broken),
        "line": 4,
        "column": 13,
        "path": "stages[0].block",
    }


def test_check_of_sound_specs_ends_in_zero_and_says_a_line_each(cli, spec_file):
    result = cli("check", spec_file, "resnet34")
    assert result.code == 0
    assert "ok" in result.out
    assert "21,797,672 parameters" in result.out
    assert "depth 34" in result.out
    assert len(result.out.splitlines()) == 2
    assert result.err == ""


def test_check_shows_every_error_of_every_file(cli, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nstagez: []\nstems: 3\n")
    result = cli("check", tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert result.code == 1
    for name in ("a.yaml", "b.yaml"):
        assert f"{tmp_path / name}:2:1" in result.err
        assert f"{tmp_path / name}:3:1" in result.err


def test_check_says_that_a_softmax_is_left_to_the_loss(cli):
    assert "note[A401]: the head ends in softmax" in cli("check", "seed-resnet26").out


@pytest.mark.parametrize("arguments", [["check", "resnet34"], ["check", "resnet34", "--json"], ["--help"]])
def test_no_torch_is_imported_for(arguments):
    program = f"""
        import sys
        from archspec.cli.app import run
        assert run({arguments!r}) == 0
        heavy = [name for name in ("torch", "torchvision", "numpy", "PIL") if name in sys.modules]
        sys.exit(f"imported: {{heavy}}" if heavy else 0)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_build_json_has_the_figures_of_the_network_and_of_its_stages(cli):
    result = cli("build", "resnet34", "--json")
    assert result.code == 0
    found = result.json
    assert {key: found[key] for key in ("name", "parameters", "macs", "depth", "receptive_field")} == {
        "name": "resnet34",
        "parameters": 21797672,
        "macs": 3663761408,
        "depth": 34,
        "receptive_field": 899,
    }
    assert (found["input"], found["output"]) == ([3, 224, 224], [1000])
    assert [stage["block"] for stage in found["stages"]] == ["basic"] * 4
    assert [stage["repeats"] for stage in found["stages"]] == [3, 4, 6, 3]
    assert [stage["output"] for stage in found["stages"]] == [[64, 56, 56], [128, 28, 28], [256, 14, 14], [512, 7, 7]]
    for key in ("name", "parameters", "macs", "receptive_field"):
        assert all(stage[key] for stage in found["stages"])
    network = archspec.build_network("resnet34")
    for number, stage in enumerate(found["stages"]):
        assert stage["parameters"] == sum(p.numel() for p in network.stages.get_submodule(str(number)).parameters())


def test_build_takes_overrides(cli, spec_file):
    found = cli("build", spec_file, "--set", "head.classes=3", "--set", "input.size=[20, 32]", "--json").json
    assert found["output"] == [3]
    assert found["input"] == [3, 20, 32]


def test_build_of_a_zoo_name_works_in_any_folder(cli, in_empty_folder):
    result = cli("build", "resnet18")
    assert result.code == 0
    assert "11,689,512 parameters" in result.out
    assert list(in_empty_folder.iterdir()) == []


@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_a_terminal_of_any_width_shows_whole_numbers(cli, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    result = cli("build", "resnet18")
    assert result.code == 0
    assert "…" not in result.out
    for figure in ("11,689,512", "1,814,073,344", "9,536", "8,393,728", "513,000"):
        assert figure in result.out


def test_python_dash_m_is_the_same_command(start):
    with start("build", "tiny", "--json") as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    assert '"name": "tiny"' in out
    assert err == ""
