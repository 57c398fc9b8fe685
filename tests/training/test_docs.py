"""docs/training.md: its tables are those of the models, every key is there, and its examples are recipes."""

import re
import runpy
from pathlib import Path

import pytest
import yaml

from archspec import Plugins
from archspec.offers import Options
from archspec.spec.describe import field_descriptions
from archspec.training.documents import load_recipe
from archspec.training.recipe import Recipe

PAGE = Path(__file__).parents[2] / "docs" / "training.md"
TEXT = PAGE.read_text(encoding="utf-8")
KINDS = ("optimizers", "schedules", "losses")
PLUGINS = Plugins(installed=False)
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)


@pytest.fixture(scope="module")
def generator():
    return runpy.run_path(str(PAGE.parent / "make_spec.py"))


def section(kind):
    return TEXT.partition(f"<!-- options: {kind} -->")[2].partition("<!-- end -->")[0]


def test_the_tables_are_up_to_date(generator, compare_with_golden):
    compare_with_golden(PAGE, generator["training_page"](TEXT))


@pytest.mark.parametrize("kind", KINDS)
def test_every_offer_and_option_is_named_and_explained(generator, kind):
    for name, offer in PLUGINS.offers(kind).items():
        assert f"| `{name}` | {offer.summary} |" in section(kind)
        assert offer.summary
        for row in generator["option_rows"](offer.options):
            assert re.search(rf"^\| `{row.name}`( of [^|]*`{name}`[^|]*)? \|", section(kind), re.MULTILINE), row.name
            assert row.meaning, f"{name}.{row.name}: a docstring under the field says what it means"


def test_every_option_has_a_range():
    """Units and range stand beside the field; a switch needs none."""
    for kind in KINDS:
        for name, offer in PLUGINS.offers(kind).items():
            for option, schema in (offer.options.model_json_schema().get("properties") or {}).items():
                said = str(schema)
                bounded = any(word in said for word in ("inimum", "aximum", "enum", "boolean"))
                assert bounded, f"{kind}: {name}.{option}"


def test_every_key_of_a_recipe_is_on_the_page():
    for key, field in Recipe.model_fields.items():
        assert f"`{key}`" in TEXT
        if key in ("warmup_epochs", "cooldown_epochs"):
            assert field_descriptions(Recipe)[key]
        assert (
            field.annotation is not Options
            or f"a [{key}](#" in TEXT
            or f"an [{key}](#" in TEXT
            or key in ("data", "freeze")
        )


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_are_recipes(tmp_path, text):
    (tmp_path / "recipe.yaml").write_text(text)
    recipe = load_recipe(str(tmp_path / "recipe.yaml"), (), PLUGINS)
    assert set(yaml.safe_load(text)) - {"extends"} <= recipe.model_fields_set


def test_every_link_inside_the_page_has_a_heading():
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", TEXT, flags=re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]*)\)", TEXT)) <= headings
    assert len(EXAMPLES) == 2
