"""Lint: each rule where it speaks and where it does not, its message, its explanation, and the zoo."""

from pathlib import Path

import pytest
import yaml

import archspec
from archspec.errors import DocumentError
from archspec.plan.lint import lint_plan, lint_record
from archspec.plan.rules import RULES
from archspec.plugins import Plugins
from archspec.report.rules import rules_page
from archspec.spec.lint import RULE_CODES
from archspec.spec.zoo import zoo_names

LINT = Path(__file__).parent / "lint"
NAMES = sorted(file.stem for file in LINT.glob("*.yaml"))
SOUND = """name: sound
input: {channels: 3, size: 64}
stem: {type: conv-pool, filters: 64, kernel: 7, strides: 2}
stages:
  - {block: basic, filters: 64}
  - {block: basic, filters: 128, strides: 2, repeats: 2}
head: {type: classifier, classes: 10}
"""


def lint(path, *overrides):
    spec = archspec.load_spec(path, overrides, plugins=Plugins(installed=False))
    return lint_plan(spec, archspec.plan_network(spec))


@pytest.fixture
def codes(write_spec):
    """The codes of what is found in a spec: SOUND, with keys replaced by those of a fragment of YAML."""

    def found(fragment="", *overrides):
        text = yaml.safe_dump({**yaml.safe_load(SOUND), **(yaml.safe_load(fragment) or {})}, sort_keys=False)
        return [finding.code for finding in lint(write_spec(text), *overrides)]

    return found


@pytest.mark.parametrize("name", NAMES)
def test_what_lint_says(monkeypatch, compare_with_golden, name):
    monkeypatch.chdir(LINT)
    found = lint(f"{name}.yaml")
    compare_with_golden(LINT / f"{name}.txt", "\n\n".join(finding.render() for finding in found) + "\n")
    assert name.partition("-")[0] in {finding.code for finding in found}


def test_every_rule_has_a_snapshot_and_every_snapshot_its_spec():
    assert {name.partition("-")[0] for name in NAMES} == set(RULES)
    assert {file.stem for file in LINT.glob("*.txt")} == set(NAMES)


def test_the_codes_that_a_spec_may_silence_are_those_of_the_rules():
    assert tuple(RULES) == RULE_CODES
    assert len({rule.name for rule in RULES.values()}) == len(RULES)


@pytest.mark.parametrize("code", RULES)
def test_the_wrong_example_is_found_and_the_right_one_is_not(codes, code):
    words = RULES[code].explanation
    assert code in codes(words.wrong)
    assert codes(words.right) == []


@pytest.mark.parametrize("code", RULES)
def test_a_rule_is_explained_in_full(code):
    rule = RULES[code]
    words = rule.explanation
    assert rule.advice
    assert len(rule.advice) < 100
    assert "\n" not in rule.advice
    assert all((words.summary, words.why, words.mend, words.wrong, words.right))
    assert words.summary.endswith(".")


@pytest.mark.parametrize("code", RULES)
def test_a_spec_silences_a_rule(codes, code):
    wrong = RULES[code].explanation.wrong
    assert code not in codes(f"{wrong}\nlint: {{ignore: [{code}]}}")
    assert code not in codes(wrong, f"lint.ignore=[{code}]")


def test_a_code_that_no_rule_has_is_an_error_at_its_line(write_spec):
    with pytest.raises(DocumentError) as caught:
        archspec.load_spec(write_spec(SOUND + "lint: {ignore: [A101, A999]}\n"))
    (found,) = caught.value.diagnostics
    assert found.message == "'lint.ignore[1]' names no rule: 'A999'; `archspec rule` lists them"
    assert (found.place.line, found.place.column) == (8, 23)


def test_sound_networks_are_left_in_peace(codes):
    assert codes() == []


def test_the_page_of_the_rules_is_up_to_date(root, compare_with_golden):
    compare_with_golden(root / "docs" / "rules.md", rules_page())


# What the zoo's networks are told: three shallow ones see less than 224 pixels, the tutorial's has biases and softmax,
# pre-activation bottlenecks of the paper stride in the 1x1,
# and RepVGG's stem has a 1x1 convolution of stride 2 over three channels, which does crash torch 2.14 on CPUs.
ZOO = {
    "resnet10t": ["A102"],
    "resnet26": ["A102"],
    "resnet26d": ["A102"],
    "seed-resnet26": ["A302", "A401"],
    "preact-resnet164": ["A104"],
    "repvgg-a0": ["A501"],
    "repvgg-a1": ["A501"],
    "repvgg-b0": ["A501"],
}


@pytest.mark.parametrize("name", zoo_names())
def test_published_networks_are_not_nagged(name):
    found = lint(name)
    assert [finding.code for finding in found] == ZOO.get(name, [])
    assert {finding.code for finding in found if finding.severity == "warning"} <= {"A501"}


def test_a_finding_as_data(write_spec):
    path = write_spec(SOUND.replace("classes: 10", "classes: 1"))
    (found,) = lint(path)
    assert lint_record(found) == {
        "code": "A402",
        "severity": "warning",
        "message": "a classifier of one class has nothing to choose between",
        "advice": RULES["A402"].advice,
        "file": str(path),
        "line": 7,
        "column": 35,
        "path": "head.classes",
    }


def test_a_default_that_every_stage_inherits_is_told_of_once_and_at_its_line(write_spec):
    (found,) = lint(write_spec("defaults: {attention: {type: se, ratio: 0.01, divisor: 1}}\n" + SOUND))
    assert (found.code, found.place.line, found.path) == ("A202", 1, ("stages", 0, "attention"))
    assert found.notes[0] == "and 1 more of its kind from this line"


def test_a_spec_from_python_has_no_lines_and_is_linted_all_the_same(write_spec):
    spec = archspec.load_spec(write_spec(SOUND.replace("filters: 64}", "filters: 60}")))
    spec._source = None
    (found,) = lint_plan(spec, archspec.plan_network(spec))
    assert (found.place, found.path) == (None, ("stages", 0, "filters"))


def test_an_override_is_pointed_at(write_spec):
    (found,) = lint(write_spec(SOUND), "head.dropout=0.9")
    assert (found.code, found.place.file) == ("A403", "--set")


def test_warnings_come_before_notes_and_lines_in_order(write_spec):
    text = SOUND.replace("size: 64", "size: 63").replace("filters: 64}", "filters: 60}")
    found = lint(write_spec(text.replace("classes: 10", "classes: 1, softmax: true")))
    assert [finding.code for finding in found] == ["A201", "A402", "A103", "A401"]


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("input: {size: 8}", ["A301"]),  # the total stride is 8: the last map is 1x1, and none before it
        ("input: {size: [8, 64]}", []),
        ("input: {size: 65}", ["A103"]),
        ("input: {size: [64, 60]}", ["A103"]),
        ("head: {type: classifier, classes: 7}", []),  # classes are no width
        ("head: {type: classifier, classes: 10, dropout: 0.5}", []),
        ("stem: {type: conv, filters: 64, kernel: 4, strides: 2, padding: tensorflow}", []),
        ("stem: {type: conv, filters: 64, kernel: 1, strides: 2}", ["A501", "A104"]),
        ("stem: {type: conv, filters: 64, kernel: 3, strides: 4}", ["A104"]),
        ("stages: [{block: inverted, filters: 64}, {block: inverted, filters: 96, strides: 2, repeats: 4}]", []),
        ("stages: [{block: basic, filters: 64, groups: 64}]", ["A203"]),
        ("stages: [{block: basic, filters: 64, groups: 16}]", []),
        ("stages: [{block: basic, filters: 64, group_width: 2}]", ["A203"]),
        ("stages: [{block: basic, filters: 64, attention: eca}]", []),
        ("stages: [{block: bottleneck, filters: 64}, {block: basic, filters: 128}]", ["A204"]),
        ("stages: [{block: repvgg, filters: 64, strides: 2}, {block: repvgg, filters: 128, strides: 2}]", []),
        ("defaults: {bias: true, norm: none}", []),
        ("defaults: {bias: true, norm: group}", []),
    ],
)
def test_where_rules_end(codes, fragment, expected):
    assert codes(fragment) == expected


@pytest.mark.parametrize(("size", "severity"), [(72, "note"), (80, "warning")])
def test_half_of_the_input_seen_is_a_note_and_less_a_warning(write_spec, size, severity):
    text = SOUND.replace("conv-pool, filters: 64, kernel: 7", "conv, filters: 64, kernel: 3")
    (found,) = lint(write_spec(text), f"input.size={size}")
    assert (found.code, found.severity) == ("A102", severity)


def test_a_network_of_many_blocks_is_linted_in_no_time(write_spec):
    spec = archspec.load_spec(write_spec(SOUND.replace("filters: 64}", "filters: 60, repeats: 500}")))
    (found,) = lint_plan(spec, archspec.plan_network(spec))
    assert found.notes[0].startswith("help:"), "five hundred blocks alike are one finding"
