"""The page of the transforms is what its generator writes, and every recipe in it is read."""

import re
import runpy
from pathlib import Path

import pytest

from archspec.plugins import Plugins
from archspec.training.documents import load_recipe
from archspec.training.recipe import Recipe

PAGE = Path(__file__).parents[2] / "docs" / "data-transforms.md"
TEXT = PAGE.read_text(encoding="utf-8")
PLUGINS = Plugins(installed=False)
RECIPES = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_tables_are_up_to_date(compare_with_golden):
    compare_with_golden(PAGE, runpy.run_path(str(PAGE.parent / "make_transforms.py"))["transforms_page"](TEXT))


def test_every_transform_and_option_is_on_the_page_and_explained():
    for name, offer in PLUGINS.offers("transforms").items():
        assert f"| `{name}`" in TEXT
        assert offer.summary
    unexplained = [line for line in TEXT.splitlines() if line.startswith("| ") and line.endswith("|  |")]
    assert unexplained == []


def test_every_key_of_a_recipe_that_is_named_exists():
    assert {"mixup", "cutmix", "mix_probability", "resize", "crop", "interpolation"} <= set(Recipe.model_fields)
    keys = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \| [a-z]", TEXT, flags=re.MULTILINE)
    for key in {key for pair in keys for key in pair if key}:
        assert key in Recipe.model_fields or key in PLUGINS.offers("transforms"), key


@pytest.mark.parametrize("text", RECIPES)
def test_the_recipes_can_be_read(text, tmp_path):
    (tmp_path / "recipe.yaml").write_text(text)
    assert load_recipe(str(tmp_path / "recipe.yaml"), (), PLUGINS).augmentation


def test_the_overrides_can_be_read(tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPES[2])
    for recipe, override in re.findall(r"--set (recipe)(\.augmentation[\w.]*=[\w.]+)", TEXT):
        named = str(tmp_path / "recipe.yaml") if ".3." in override else "default"
        assert load_recipe(named, [recipe + override], PLUGINS)
