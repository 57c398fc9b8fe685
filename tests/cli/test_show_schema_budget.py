"""`archspec show`, `archspec schema`, and what the other commands do with a budget."""

import json
import subprocess
import sys

import pytest

import archspec
from archspec.spec.zoo import zoo_names

BASE = """name: base
input: {size: 32}
defaults: {bias: true, norm: {eps: 1e-3}}
stem: conv
stages:
  - {block: basic, filters: 16}
  - {block: bottleneck, filters: 32, strides: 2, norm: group}
head: {type: classifier, classes: 10}
"""
CHILD = """extends: base.yaml
name: child
head: {classes: 3}
budget: {macs: ">= 1, < 9G"}
"""


@pytest.fixture
def child(tmp_path, monkeypatch):
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "child.yaml").write_text(CHILD)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "child.yaml"


def comments(text):
    """The comment of each line that has one, by its YAML without spaces at the ends."""
    pairs = (line.split("  # ") for line in reversed(text.splitlines()) if " # " in line)
    return {line.strip(): comment for line, comment in pairs}  # of equal lines the first


def test_show_prints_the_merged_document_in_its_order(cli, child):
    result = cli("show", "child.yaml", "--set", "input.size=[48, 64]")
    assert result.code == 0
    assert (
        result.out
        == """name: child
input: {size: [48, 64]}
defaults:
  bias: true
  norm: {eps: 0.001}
stem: conv
stages:
- {block: basic, filters: 16}
- {block: bottleneck, filters: 32, strides: 2, norm: group}
head: {type: classifier, classes: 3}
budget: {macs: '>= 1, < 9G'}
"""
    )


def test_show_resolved_says_where_each_value_came_from(cli, child):
    result = cli("show", "child.yaml", "--resolved", "--set", "stages.0.strides=2")
    assert result.code == 0
    lines = result.out.splitlines()
    assert "name: child" in lines[1]
    assert lines[1].endswith("  # child.yaml:2")
    shown = comments(result.out)
    assert shown["classes: 3"] == "child.yaml:3"
    assert shown["size: [32, 32]"] == "base.yaml:2"
    assert shown["channels: 3"] == "default"
    assert shown["type: conv"] == "base.yaml:4"
    assert shown["- block: basic"] == "base.yaml:6"
    assert shown["bias: true"] == "defaults, base.yaml:3"
    assert shown["eps: 0.001"] == "defaults, base.yaml:3"
    assert shown["activation: relu"] == "default"
    assert shown["budget: {macs: '>= 1, < 9G'}"] == "child.yaml:4"
    assert [line.split("# ")[1] for line in lines if "strides: 2" in line] == ["default", "--set", "base.yaml:7"]
    columns = {line.index("  # ") for line in lines if " # " in line}
    assert len(columns) == 1


@pytest.mark.parametrize("name", zoo_names())
def test_what_show_prints_is_the_same_spec(cli, tmp_path, name):
    spec = archspec.load_spec(name)
    for flags in (["--resolved"], []):
        path = tmp_path / "again.yaml"
        path.write_text(cli("show", name, *flags).out)
        assert archspec.load_spec(path) == spec


def test_show_resolved_of_changes_is_the_same_spec(cli, child, tmp_path):
    changes = ["stages.1.norm.groups=4", "input.size=[32, 48]", "name='010'", "defaults.activation=silu"]
    flags = [flag for change in changes for flag in ("--set", change)]
    (tmp_path / "again.yaml").write_text(cli("show", "child.yaml", "--resolved", *flags).out)
    assert archspec.load_spec(tmp_path / "again.yaml") == archspec.load_spec(child, changes)


def test_show_json_has_an_origin_for_every_value(cli, child):
    found = cli("show", "child.yaml", "--resolved", "--set", "stem.filters=8", "--json").json
    origins = found["origins"]
    assert found["spec"]["stages"][0]["filters"] == 16
    assert origins["stages.0.filters"] == {"file": "base.yaml", "line": 6, "column": 29}
    assert origins["stages.0.norm.eps"] == {"file": "base.yaml", "line": 3, "column": 36, "through": "defaults"}
    assert origins["stages.1.norm.type"] == {"file": "base.yaml", "line": 7, "column": 56}
    assert origins["stages.1.norm.eps"] == "default"
    assert origins["stem.filters"] == {"file": "--set", "line": 1, "column": 14}
    assert origins["head.classes"]["file"] == "child.yaml"
    leaves = []

    def walk(value, path):
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in children:
            walk(item, (*path, str(key)))
        if not isinstance(value, dict | list) or not value:
            leaves.append(".".join(path))

    walk(found["spec"], ())
    assert sorted(leaves) == sorted(origins)
    merged = cli("show", "child.yaml", "--json").json
    assert merged["spec"]["defaults"]["norm"] == {"eps": 0.001}
    assert merged["origins"]["defaults.norm.eps"]["line"] == 3


def test_show_does_not_check_what_it_merges(cli, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("nmae: [.nan, 1e3, '1e3']\nstages: 3\n")
    assert cli("show", path).out == "nmae: [.nan, 1000.0, '1e3']\nstages: 3\n"
    assert cli("show", path, "--json").json["spec"]["nmae"] == ["nan", 1000.0, "1e3"]
    result = cli("show", path, "--resolved")
    assert result.code == 1
    assert "did you mean 'name'?" in result.err


def test_a_file_that_is_named_oddly_stays_in_its_comment(cli, tmp_path):
    path = tmp_path / "a\nname: b.yaml"
    path.write_text(BASE)
    (tmp_path / "again.yaml").write_text(cli("show", path, "--resolved").out)
    assert archspec.load_spec(tmp_path / "again.yaml") == archspec.load_spec(path)


@pytest.mark.parametrize("flags", [[], ["--recipe"]])
def test_schema_prints_a_json_schema_without_torch(flags):
    program = f"""
import sys
from archspec.cli.app import run
assert run({["schema", *flags]!r}) == 0
sys.exit(str([name for name in ("torch", "numpy", "PIL") if name in sys.modules] or 0))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr == "0\n"
    schema = json.loads(done.stdout)
    assert schema["$schema"].endswith("2020-12/schema")
    assert ("epochs" if flags else "stages") in schema["properties"]
    assert "extends" in schema["properties"]


def test_check_and_build_say_the_activation_memory(cli, spec_file):
    (row,) = cli("check", spec_file, "--json").json["files"]
    built = cli("build", spec_file, "--json").json
    assert row["activation_memory"] == built["activation_memory"] > 0
    assert f"{built['activation_memory']:,} bytes of activations" in cli("build", spec_file).out


BUDGET = ("--set", "budget={parameters: '< 12M', macs: '< 2G', receptive_field: '>= 200'}")


@pytest.mark.parametrize("command", [["check"], ["build"], ["train", "--data", "imagefolder:nowhere"]])
def test_a_broken_budget_ends_every_command_that_would_use_the_network(cli, command, in_empty_folder):
    result = cli(command[0], "resnet34", *command[1:], *BUDGET)
    assert result.code == 1
    assert "parameters are 21,797,672, over the budget of 12,000,000" in result.err
    assert "MACs are 3,663,761,408, over the budget of 2,000,000,000" in result.err
    assert "receptive field" not in result.err
    assert list(in_empty_folder.iterdir()) == []


def test_a_broken_budget_in_json_has_its_place(cli, child):
    result = cli("check", child, "--set", "budget.macs='< 1'", "--json")
    assert result.code == 1
    (row,) = result.json["files"]
    (error,) = row["errors"]
    assert error["message"].startswith("MACs are")
    assert (error["file"], error["line"], error["path"]) == ("--set", 1, "budget.macs")
