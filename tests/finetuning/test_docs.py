"""docs/finetuning.md: its tables are those of the models, its recipe is read, its output is shown."""

import re
import runpy
from pathlib import Path

import pytest

import archspec
from archspec import Plugins
from archspec.finetuning.choice import read_freezing
from archspec.finetuning.phases import phases
from archspec.finetuning.policy import make_policy
from archspec.training.documents import load_recipe

PAGE = Path(__file__).parents[2] / "docs" / "finetuning.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, flags=re.DOTALL)
PLUGINS = Plugins(installed=False)
POLICIES = PLUGINS.offers("freezing_policies")
SHORT = re.findall(rf"`((?:{'|'.join(POLICIES)}):[^` ]+)`", TEXT)


@pytest.fixture(scope="module")
def generator():
    return runpy.run_path(str(PAGE.parent / "make_spec.py"))


def test_the_tables_are_up_to_date(generator, compare_with_golden):
    compare_with_golden(PAGE, generator["finetuning_page"](TEXT))


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_and_option_is_explained(generator, name):
    offer = POLICIES[name]
    assert f"\n| `{name}` | {offer.summary} |" in TEXT
    assert f"\n| `{name}` |" in TEXT.partition("### What they train")[2]
    assert offer.summary
    for row in generator["option_rows"](offer.options):
        assert re.search(rf"^\| `{row.name}`( of [^|]*`{name}`[^|]*)? \|", TEXT, re.MULTILINE), row.name
        assert row.meaning
    first = next(iter(offer.options.model_fields.keys() - archspec.FreezingOptions.model_fields.keys()), None)
    assert (offer.options.shorthand is None) == (first is None)


@pytest.mark.parametrize("text", SHORT)
def test_the_short_forms_are_policies(plan_of, text):
    plan = plan_of("resnet50")
    assert phases(plan, make_policy(read_freezing(text, PLUGINS), plan, 30), 30)


def test_there_is_a_short_form_of_each_policy_that_has_one():
    assert {text.partition(":")[0] for text in SHORT} == {
        name for name, offer in POLICIES.items() if offer.options.shorthand is not None
    }


def test_the_recipe_is_one(tmp_path):
    (text,) = [text for language, text in BLOCKS if language == "yaml"]
    (tmp_path / "recipe.yaml").write_text(text)
    assert load_recipe(str(tmp_path / "recipe.yaml"), (), PLUGINS).freeze.every == 2


def test_the_output_is_what_is_printed(root):
    (shown,) = [text for language, text in BLOCKS if language == "text"]
    golden = (root / "tests" / "golden" / "freeze-plan-120.txt").read_text()
    assert f"$ resnet18 gradual:2\n{shown}\n" in golden


def test_every_link_has_a_heading(root):
    for file, anchor in re.findall(r"\]\(([\w-]*(?:\.md)?)#([^)]*)\)", TEXT):
        text = (root / "docs" / file).read_text() if file else TEXT
        headings = [heading.lower() for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
        anchors = {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in headings}
        assert anchor in anchors, anchor
