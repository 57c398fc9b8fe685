"""The reference page is what its generator writes of the models, and every example in it runs."""

import re
import runpy
from pathlib import Path

import pytest

import archspec
from archspec.plan.budget import plan_within_budget
from archspec.spec.reader import plain, read_text

PAGE = Path(__file__).parents[2] / "docs" / "spec.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```(\w*)\n(.*?)```", TEXT, flags=re.DOTALL)
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))
OVERRIDES = [code for code in CODE if re.fullmatch(r"\w+(\.[\w*]+)+=\S+", code)]
COMMANDS = [found.groups() for code in CODE if (found := re.fullmatch(r"archspec build (\S+) --set (\S+=\S+)", code))]
KINDS = ("stems", "blocks", "heads", "norms", "activations", "shortcuts", "attentions")
WHOLE = ("name", "extends")
"""Keys that only a whole spec has: a fragment is put into ResNet-18."""


@pytest.fixture(scope="module")
def generator():
    return runpy.run_path(str(PAGE.parent / "make_spec.py"))


@pytest.fixture
def plan_example(write_spec):
    """The plan of an example, which keeps its budget."""

    def plan(text):
        whole = set(WHOLE) & set(plain(read_text(text, "example.yaml")))
        return plan_within_budget(archspec.load_spec(write_spec(text if whole else f"extends: resnet18\n{text}")))

    return plan


def parameters_in_timm(name):
    timm, torch = pytest.importorskip("timm"), pytest.importorskip("torch")
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in timm.create_model(name).parameters())


def test_the_tables_are_up_to_date(generator, compare_with_golden):
    compare_with_golden(PAGE, generator["spec_page"](TEXT))


def test_a_page_that_lost_a_region_is_refused(generator):
    with pytest.raises(SystemExit, match="must have each of these regions once: spec, style"):
        generator["spec_page"](TEXT.replace("<!-- options: norms -->", ""))


def test_every_built_in_name_and_option_is_in_the_reference():
    plugins = archspec.Plugins(installed=False)
    for kind in KINDS:
        for name, offer in plugins.offers(kind).items():
            assert f"`{name}`" in TEXT, f"{kind}: {name}"
            for option in offer.options.model_fields:
                assert f"| `{option}`" in TEXT, f"{kind}: {name}.{option}"


def test_every_offer_and_option_is_explained(generator):
    plugins = archspec.Plugins(installed=False)
    missing = []
    for kind in KINDS:
        for name, offer in plugins.offers(kind).items():
            rows = generator["option_rows"](offer.options)
            missing += [f"{offer.options.__name__}.{row.name}" for row in rows if not row.meaning]
            missing += [] if offer.summary else [name]
    assert missing == [], "a docstring under the field says what an option means"


def test_an_option_stands_in_one_table(generator):
    """Options of a common base are written once; what a class declares anew is written again, and says whose it is."""
    for name, section in re.findall(r"<!-- options: (\S+) -->(.*?)<!-- end -->", TEXT, flags=re.DOTALL):
        first = re.findall(r"^\| (.*?) \|", section, flags=re.MULTILINE)
        cells = [cell for cell in first if cell not in ("---", "option", "`type`", "`block`")]
        assert len(set(cells)) == len(cells), name
        style = {f"`{option}`" for option in archspec.Style.model_fields}
        assert name not in ("stems", "blocks", "heads") or not style & set(cells), name


def test_every_link_inside_the_page_has_a_heading():
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", TEXT, flags=re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]*)\)", TEXT)) <= headings


@pytest.mark.parametrize("text", [text for _, text in EXAMPLES], ids=range(len(EXAMPLES)))
def test_the_examples_can_be_planned(plan_example, text):
    assert plan_example(text).parameters > 0


def test_every_fenced_block_is_a_spec_or_a_part_of_one():
    assert {language for language, _ in EXAMPLES} == {"yaml"}
    assert len(EXAMPLES) >= 10


def test_the_examples_have_timms_parameters(plan_example):
    named = [
        (text, found) for _, text in EXAMPLES if (found := re.search(r"# ([\d,]+) parameters, as timm's (\w+)", text))
    ]
    assert len(named) >= 5
    for text, found in named:
        figure = int(found[1].replace(",", ""))
        assert plan_example(text).parameters == figure == parameters_in_timm(found[2]), found[2]


def test_the_stage_of_efficientnet_is_the_zoos(write_spec):
    (text,) = [text for _, text in EXAMPLES if text.startswith("defaults:") and "inverted" in text]
    stages = archspec.load_spec(write_spec(f"extends: resnet18\n{text}")).stages
    assert stages == archspec.load_spec("efficientnet-b0").stages[2:3]


@pytest.mark.parametrize("override", OVERRIDES)
def test_the_overrides_change_a_spec(write_spec, override):
    path = write_spec("extends: resnet50\ndefaults: {norm: batch}\n")
    changed = archspec.load_spec(path, [override])
    assert changed != archspec.load_spec(path)
    assert archspec.plan_network(changed).parameters > 0


def test_the_overrides_of_the_page_are_found():
    assert {"stages.2.filters=512", "stages.*.attention=se", "defaults.norm.eps=1e-3"} <= set(OVERRIDES)


def test_a_command_with_an_override_gives_timms_network():
    assert COMMANDS == [("resnet101", "defaults.width=2")]
    for name, override in COMMANDS:
        plan = archspec.plan_network(archspec.load_spec(name, [override]))
        assert plan.parameters == parameters_in_timm("wide_resnet101_2")


def test_values_in_words(generator):
    in_words = generator["in_words"]
    assert in_words({"type": "integer", "minimum": 1, "maximum": 64}) == "whole number from 1 to 64"
    assert in_words({"type": "integer", "minimum": 1, "maximum": 1_000_000}) == "whole number from 1"
    assert in_words({"type": "integer", "maximum": 9}) == "whole number, at most 9"
    assert in_words({"type": "number", "minimum": 0, "exclusiveMaximum": 1}) == "number from 0, below 1"
    assert in_words({"type": "number", "exclusiveMinimum": 0, "maximum": 4}) == "number above 0, at most 4"
    assert in_words({"type": "number", "exclusiveMaximum": 4}) == "number, below 4"
    assert in_words({"type": "number"}) == "number"
    assert in_words({"enum": ["a", "b", "c"]}) == "`a`, `b` or `c`"
    pair = {"type": "array", "prefixItems": [{"type": "integer", "minimum": 1}] * 2}
    assert in_words(pair) == "list of 2 whole numbers from 1"
    assert (
        in_words({"anyOf": [{"enum": ["auto"]}, pair, {"type": "null"}]}) == "`auto`, or list of 2 whole numbers from 1"
    )
    assert in_words({"type": "array", "items": {"type": "boolean"}}) == "list of `true` or `false`"
    with pytest.raises(NotImplementedError, match="'object'"):
        in_words({"type": "object"})
