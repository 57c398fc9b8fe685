"""`archspec check` with warnings and notes, and `archspec rule`."""

import subprocess
import sys

import pytest

from archspec.plan.rules import RULES

SPEC = """name: doubtful
input: {size: 60}
stem: {type: conv, filters: 64, kernel: 3, strides: 2}
stages:
  - {block: basic, filters: 60}
  - {block: basic, filters: 128, strides: 2, repeats: 4}
head: {type: classifier, classes: 1, softmax: true}
"""


@pytest.fixture
def doubtful(tmp_path):
    path = tmp_path / "doubtful.yaml"
    path.write_text(SPEC.replace("size: 60", "size: 62"))
    return path


def test_warnings_show_their_line_and_notes_take_one(cli, doubtful):
    result = cli("check", doubtful)
    assert result.code == 0
    assert result.err == ""
    first, *rest = result.out.splitlines()
    assert first.startswith(f"ok  {doubtful}: ")
    assert rest == [
        "warning[A201]: stages[0] has convolutions of 60 channels, no multiple of 8",
        f"  --> {doubtful}:5:29   stages[0].filters",
        "5 |   - {block: basic, filters: 60}",
        "  |                             ^^",
        "  help: round the width to a multiple of 8 (`archspec rule A201`)",
        "",
        "warning[A402]: a classifier of one class has nothing to choose between",
        f"  --> {doubtful}:7:35   head.classes",
        "7 | head: {type: classifier, classes: 1, softmax: true}",
        "  |                                   ^",
        "  help: give the head two classes: one logit for each, for yes and no too (`archspec rule A402`)",
        "",
        "    note[A103]: an input of 62x62 is no multiple of the total stride (=4): 60 and 64 are "
        f"({doubtful}:2, input.size)",
        "    note[A401]: the head ends in softmax; training takes the logits before it, as its loss needs "
        f"({doubtful}:7, head.softmax)",
    ]


def test_strict_fails_on_warnings_and_says_so(cli, doubtful):
    result = cli("check", "resnet34", doubtful, "--strict")
    assert result.code == 1
    assert result.out.startswith("ok  resnet34")
    assert f"\nfailed  {doubtful}: " in result.out
    assert result.err == f"error: 2 warnings in {doubtful}, and --strict allows none\n"


def test_strict_lets_notes_pass(cli):
    assert cli("check", "seed-resnet26", "--strict").code == 0


def test_a_silenced_spec_passes_strict(cli, doubtful):
    doubtful.write_text(doubtful.read_text() + "lint: {ignore: [A201, A402]}\n")
    result = cli("check", doubtful, "--strict")
    assert (result.code, result.err) == (0, "")
    assert "warning" not in result.out


def test_json_holds_the_findings(cli, doubtful):
    result = cli("check", doubtful, "--json")
    assert (result.code, result.json["ok"]) == (0, True)
    (row,) = result.json["files"]
    assert [found["code"] for found in row["warnings"]] == ["A201", "A402", "A103", "A401"]
    assert row["warnings"][0] == {
        "code": "A201",
        "severity": "warning",
        "message": "stages[0] has convolutions of 60 channels, no multiple of 8",
        "advice": "round the width to a multiple of 8",
        "file": str(doubtful),
        "line": 5,
        "column": 29,
        "path": "stages[0].filters",
    }
    assert row["notes"] == [found["message"] for found in row["warnings"] if found["severity"] == "note"]
    strict = cli("check", doubtful, "--json", "--strict")
    assert (strict.code, strict.json["ok"], strict.json["files"][0]["ok"]) == (1, False, False)
    assert strict.json["files"][0]["errors"] == []


def test_an_unknown_code_to_ignore_is_an_error(cli, doubtful):
    doubtful.write_text(SPEC + "lint: {ignore: [A9]}\n")
    result = cli("check", doubtful)
    assert result.code == 1
    assert "error: 'lint.ignore[0]' names no rule: 'A9'; `archspec rule` lists them" in result.err
    assert f"{doubtful}:8:17" in result.err


def test_rule_lists_every_rule(cli):
    result = cli("rule")
    assert result.code == 0
    for code, rule in RULES.items():
        assert f"{code}   {rule.name}" in result.out
    listed = cli("rule", "--json").json
    assert [row["code"] for row in listed] == list(RULES)
    assert set(listed[0]) == {"code", "name", "severity", "advice", "summary", "why", "mend", "wrong", "right"}


@pytest.mark.parametrize("name", ["A101", "a101", "one-pixel-map"])
def test_rule_explains(cli, name):
    result = cli("rule", name)
    assert result.code == 0
    assert result.out.startswith("A101 one-pixel-map  warning")
    for part in ("why", "mend", "wrong", "right", "https://arxiv.org/abs/1512.03385", "lint: {ignore: [A101]}"):
        assert part in result.out
    assert cli("rule", name, "--json").json["code"] == "A101"


@pytest.mark.parametrize("code", RULES)
@pytest.mark.parametrize("width", ["40", "200"])
def test_every_rule_prints_in_any_width(cli, monkeypatch, code, width):
    monkeypatch.setenv("COLUMNS", width)
    assert code in cli("rule", code).out


def test_an_unknown_rule_is_an_error_that_knows_better(cli):
    result = cli("rule", "narow-groups")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(
        "error: there is no rule 'narow-groups'\n  help: did you mean 'A203' (narrow-groups)? rules: A101, "
    )
    assert cli("rule", "nothing", "--json").json["ok"] is False


def test_rule_imports_no_torch():
    code = "import sys; from archspec.cli.app import run; run(['rule', 'A101']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
