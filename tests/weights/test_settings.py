"""`weights:` in a document: a bare file, a map, changed by `--set` and `extends`, and errors with their places."""

from typing import ClassVar

import pytest
from jsonschema import Draft202012Validator

from archspec.errors import DocumentError
from archspec.offers import Settings
from archspec.plugins import Plugins
from archspec.spec.dump import to_yaml
from archspec.spec.extend import open_document
from archspec.spec.reader import read_text
from archspec.spec.schema import document_schema
from archspec.spec.settings import read_settings
from archspec.weights.settings import Matching, WeightsSettings

PLUGINS = Plugins(installed=False)


class Run(Settings):
    document_keys: ClassVar[tuple[str, ...]] = ("extends",)
    epochs: int = 1
    weights: WeightsSettings | None = None


@pytest.fixture
def read(tmp_path):
    def call(text, *overrides, **others):
        for name, other in others.items():
            (tmp_path / f"{name}.yaml").write_text(other)
        (tmp_path / "run.yaml").write_text(text)
        node = open_document(tmp_path / "run.yaml", overrides, dict)
        return read_settings(Run, node, PLUGINS).weights

    return call


def test_a_bare_text_is_the_file(read):
    assert read("weights: a.pth\n") == read("weights: {file: a.pth}\n") == WeightsSettings(file="a.pth")


def test_nothing_and_null_are_no_weights(read):
    assert read("epochs: 2\n") is None
    assert read("weights: null\n") is None


def test_every_key_is_read(read):
    text = "{file: a.pth, key: ema, match: order, map: m.yaml, input_rule: mean, head: reset, allow: [a], classes: c}"
    settings = read(f"weights: {text}\n")
    assert settings.model_dump() == {
        "file": "a.pth", "key": "ema", "match": "order", "map": "m.yaml", "input_rule": "mean", "head": "reset",
        "allow": ("a",), "classes": "c",
    }  # fmt: skip
    assert set(WeightsSettings.model_fields) == {*Matching.model_fields, "file"}


def test_an_override_and_a_base_add_to_a_bare_file(read):
    assert read("weights: a.pth\n", "weights.head=reset") == WeightsSettings(file="a.pth", head="reset")
    assert read("weights: a.pth\n", "weights=b.pth") == WeightsSettings(file="b.pth")
    both = read("extends: base.yaml\nweights: {head: reset}\n", base="weights: a.pth\n")
    assert both == WeightsSettings(file="a.pth", head="reset")


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("weights: {file: a, haed: reset}", "unknown key 'haed'", ":1:20   weights.haed"),
        ("weights: {head: reset}", "'weights' has no 'file'", ":1:10   weights"),
        ("weights: {type: a.pth}", "unknown key 'type'", ":1:11   weights.type"),
        ("weights: [a.pth]", "'weights' must be a map of keys, not a list of 1", ":1:10   weights"),
        ("weights: {file: a, allow: x}", "'weights.allow' must be a list, not the text 'x'", ":1:27   weights.allow"),
        ("weights: ''", "'weights.file' must not be empty", ":1:10   weights.file"),
        (
            "weights: {file: a, input_rule: avg}",
            "'weights.input_rule' must be 'auto', 'sum', 'mean', 'repeat' or 'zero-extra', not the text 'avg'",
            ":1:32   weights.input_rule",
        ),
    ],
)
def test_what_is_wrong_has_its_place(read, text, message, where):
    with pytest.raises(DocumentError) as caught:
        read(f"{text}\n")
    shown = caught.value.render()
    assert f"error: {message}\n" in shown
    assert where in shown


@pytest.mark.parametrize("text", ["{epochs: 2}", "{weights: a.pth}", "{weights: {file: a.pth, allow: [stem, head]}}"])
def test_what_is_written_back_is_read_again(tmp_path, text):
    settings = read_settings(Run, read_text(text, "run"), PLUGINS)
    assert read_settings(Run, read_text(to_yaml(settings), "run"), PLUGINS) == settings


@pytest.mark.parametrize("value", ["a.pth", None, {"file": "a.pth", "head": "by-name", "allow": ["stem"]}])
def test_the_schema_takes_a_bare_file_a_map_and_null(value):
    Draft202012Validator(document_schema(Run, PLUGINS)).validate({"weights": value})


@pytest.mark.parametrize("value", ["", 7, [], {}, {"file": ""}, {"file": "a", "head": "new"}, {"file": "a", "more": 1}])
def test_the_schema_refuses_what_the_reader_refuses(value):
    assert not Draft202012Validator(document_schema(Run, PLUGINS)).is_valid({"weights": value})
