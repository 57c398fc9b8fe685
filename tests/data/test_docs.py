"""docs/data.md: its tables are those of the models, its recipes are read, and the message shown is the message."""

import re
import runpy
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from archspec import Plugins
from archspec.errors import DocumentError
from archspec.training.documents import choose_data, load_training

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTION = TEXT.partition("## Data sets")[2].partition("\n## ")[0]
EXAMPLES = re.findall(r"```(\w+)\n(.*?)```", SECTION, flags=re.DOTALL)
COMMANDS = re.findall(r"^\$ (archspec train .*)$", SECTION, flags=re.MULTILINE)
PLUGINS = Plugins(installed=False)


def examples(language):
    return [text for found, text in EXAMPLES if found == language]


@pytest.fixture(scope="module")
def generator():
    return runpy.run_path(str(PAGE.parent / "make_spec.py"))


def test_the_tables_are_up_to_date(generator, compare_with_golden):
    compare_with_golden(PAGE, generator["data_page"](TEXT))


def test_every_data_set_and_option_is_named_and_explained(generator):
    for name, offer in PLUGINS.offers("datasets").items():
        assert f"`{name}`" in SECTION or f"--data {name}" in SECTION, name
        assert offer.summary
        for row in generator["option_rows"](offer.options):
            assert f"| `{row.name}`" in SECTION, f"{name}.{row.name}"
            assert row.meaning, f"{name}.{row.name}: a docstring under the field says what it means"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_name_data_sets_and_options(command):
    words = shlex.split(command)
    overrides = [after for word, after in pairwise(words) if word == "--set"]
    choice = words[words.index("--data") + 1]
    assert choose_data(choice, overrides, PLUGINS).data.offer.name == choice.partition(":")[0]


def test_the_commands_are_found():
    assert len(COMMANDS) == 3


@pytest.mark.parametrize("text", examples("yaml"))
def test_the_recipes_are_recipes(tmp_path, text):
    (tmp_path / "recipe.yaml").write_text(text)
    choice = load_training(str(tmp_path / "recipe.yaml"), None, (), PLUGINS)[1]
    assert choice.data.offer.name == "table"


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """A folder with the images of the page's tables."""
    (tmp_path / "images").mkdir()
    for name in ("0001.jpg", "0002.jpg", "one, two.jpg"):
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_and_its_error_are_as_shown(in_folder):
    _, table, message = examples("text")
    (in_folder / "labels.csv").write_text(table)
    options = choose_data("table:labels.csv", (), PLUGINS).data
    with pytest.raises(DocumentError, match="the table has no column for the images' labels"):
        options.offer.make(options, 0)
    options = choose_data("table:labels.csv", ["data.label=species"], PLUGINS).data
    data = options.offer.make(options, 0)
    assert data.classes == ("rose", "tulip")
    assert [len(index) for index in data.splits.values()] == [2, 1]
    (in_folder / "labels.csv").write_text(table + "images/0002.jpg,rose,test\n")
    with pytest.raises(DocumentError) as caught:
        options.offer.make(options, 0)
    assert caught.value.render().replace(f"{in_folder}/", "") + "\n" == message


def test_the_names_for_plugins_resolve():
    import archspec.data

    assert archspec.data.__all__ == sorted(archspec.data.__all__) == sorted(archspec.data._HOMES)
    for name in archspec.data.__all__:
        assert getattr(archspec.data, name).__module__ == archspec.data._HOMES[name]
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = archspec.data.Nothing
