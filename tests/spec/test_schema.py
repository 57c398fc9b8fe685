"""The JSON Schema of the language, against the jsonschema package and against what `load_spec` says."""

import contextlib
import copy
import json
import random

import jsonschema
import pytest
import yaml

import archspec
from archspec.errors import DocumentError
from archspec.plugins import Plugins
from archspec.spec.describe import field_descriptions
from archspec.spec.reader import plain, read_text
from archspec.spec.schema import document_schema, spec_schema
from archspec.spec.zoo import zoo_files
from archspec.training.documents import load_recipe, recipe_files
from archspec.training.recipe import Recipe

PLUGINS = Plugins(installed=False)
TEXTS = {name: path.read_text() for name, path in zoo_files().items()}
EXTENDING = {
    "a": "extends: resnet34\nname: a\nhead: {classes: 5}\ndefaults: {norm: {eps: 1e-3}, activation: silu}\n",
    "b": "extends: resnet50\nstem: {filters: 32}\nbudget: {macs: '< 9G'}\nstages: [{block: basic, filters: 8}]\n",
    "c": "extends: regnet-x-200mf\nstages: {depth: 9}\ninput: {size: [64, 96]}\n",
    "d": "extends: resnet34\ndefaults: {filters: 8}\nstages: [basic, {block: bottleneck, expansion: 2}]\n",
}


def as_json(text):
    """The document as a JSON reader has it, its scalars read as archspec reads them."""
    return json.loads(json.dumps(plain(read_text(text, "x.yaml"))))


def validator(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="module")
def spec_validator():
    return validator(spec_schema(PLUGINS))


@pytest.mark.parametrize("name", TEXTS)
def test_the_zoo_is_valid(spec_validator, name):
    spec_validator.validate(as_json(TEXTS[name]))


@pytest.mark.parametrize("name", EXTENDING)
def test_a_spec_that_extends_another_one_holds_parts_only(spec_validator, write_spec, name):
    archspec.load_spec(write_spec(EXTENDING[name]))
    spec_validator.validate(as_json(EXTENDING[name]))
    assert not spec_validator.is_valid(as_json(EXTENDING[name].partition("\n")[2]))


@pytest.mark.parametrize("name", recipe_files())
def test_the_recipes_are_valid(name):
    validator(document_schema(Recipe, PLUGINS)).validate(as_json(recipe_files()[name].read_text()))


RECIPES = {
    "augmentation: strong": True,
    "augmentation: {flip: 0}": True,
    "augmentation: {type: strong, flip: 0, erasing: 0.5}": True,
    "augmentation: [standard, {type: random-erasing, probability: 0.5}]": True,
    "augmentation: [none, {type: choice, among: [invert, {type: rotation, degrees: 9}]}]": True,
    "mixup: 0.2\ncutmix: 1\nresize: pad\ninterpolation: bicubic": True,
    "augmentation: stronk": False,
    "augmentation: {type: standard, erasing: 0.5}": False,
    "augmentation: [standard, {probability: 0.5}]": False,
    "augmentation: [standard, {type: rand-augment, magnitude: 31}]": False,
    "augmentation: []": False,
    "augmentation: [none, choice]": False,
    "augmentation: [none, {type: choice, among: []}]": False,
    "augmentation: 3": False,
    "mixup: -1": False,
    "interpolation: nearest": False,
    "loss: focal": True,
    "loss: {type: bce, threshold: 0.2, sum_classes: true}": True,
    "loss: {smoothing: 0}": True,
    "loss: {type: focal, smoothing: 0.1}": False,
    "loss: {type: bce, threshold: 1}": False,
    "loss: hinge": False,
    "label_smoothing: 0.1": False,
    "optimizer: {type: adafactor, clip: 1, beta2_decay: -1}": True,
    "optimizer: {type: rmsprop, momentum: 0, centered: true}": True,
    "optimizer: {type: adafactor, clip: 0.5}": False,
    "optimizer: {type: rmsprop, betas: [0.9, 0.99]}": False,
    "schedule: {type: step, milestones: [0.3, 0.6, 0.9], gamma: 0.2}": True,
    "schedule: {type: one-cycle, shape: linear}\nwarmup_epochs: 0\ncooldown_epochs: 2.5": True,
    "schedule: {type: step, milestones: [30, 60]}": False,
    "schedule: {type: step, milestones: []}": False,
    "schedule: {type: polynomial, power: 0}": False,
    "schedule: {type: one-cycle, shape: round}": False,
    "cooldown_epochs: -1": False,
}


@pytest.mark.parametrize("text", RECIPES)
def test_the_schema_and_load_recipe_agree(text, tmp_path):
    (tmp_path / "recipe.yaml").write_text(text)
    try:
        load_recipe(str(tmp_path / "recipe.yaml"), (), PLUGINS)
        loads = True
    except DocumentError:
        loads = False
    assert loads == RECIPES[text] == validator(document_schema(Recipe, PLUGINS)).is_valid(as_json(text))


def _places(node, path=()):
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield node, key, (*path, key)
        yield from _places(child, (*path, key))


WRONG = [None, True, "text", "", 2.5, -1, 0, 10**9, [], {}, [1], [1, 2, 3], {"type": "x"}, "10", [None], {"a": 1}]
KEYS = ["nmae", "type", "block", "filters", "norm", "extends", "defaults", "w0", "budget", "bias", "expansion", "eps"]


def mutate(tree, draw):
    """The tree with one thing changed: a key added, a value of another type, a key gone, a name or a number wrong."""
    tree = copy.deepcopy(tree)
    places = list(_places(tree))
    parent, key, _ = draw.choice(places)
    match draw.choice(["unknown key", "missing", "wrong type", "name", "number", "length"]):
        case "unknown key":
            maps = [tree, *(node[at] for node, at, _ in places if isinstance(node[at], dict))]
            draw.choice(maps)[draw.choice(KEYS)] = draw.choice(WRONG)
        case "missing":
            del parent[key]
        case "wrong type":
            parent[key] = draw.choice(WRONG)
        case "name":
            names = [(node, at) for node, at, _ in places if isinstance(node[at], str)]
            node, at = draw.choice(names)
            node[at] = draw.choice(["basic", "basik", "batch", "conv", "classifier", "group", "bottleneck", "3x3"])
        case "number":
            numbers = [(node, at) for node, at, _ in places if type(node[at]) in (int, float)]
            node, at = draw.choice(numbers)
            node[at] = draw.choice([-node[at], node[at] * 10**7, 0, node[at] + 0.5, str(node[at])])
        case "length":
            lists = [node[at] for node, at, _ in places if isinstance(node[at], list)] or [tree["stages"]]
            chosen = draw.choice(lists)
            chosen.append(3) if draw.random() < 0.5 or not isinstance(chosen, list) else chosen.clear()
    return tree


def _documents(texts, count):
    """Mutated documents, the same ones at every call."""
    draw = random.Random(0)
    while count:
        tree = as_json(texts[draw.choice(sorted(texts))])
        with contextlib.suppress(AttributeError, IndexError, KeyError, TypeError):  # it does not apply to this tree
            text = yaml.safe_dump(mutate(tree, draw), sort_keys=False)
            yield text
            count -= 1


def _loads(path):
    try:
        archspec.load_spec(path, plugins=PLUGINS)
    except DocumentError as error:
        return False, error.render()
    return True, "no error"


def test_the_schema_and_load_spec_agree_on_mutated_specs(spec_validator, write_spec):
    sound, differing = 0, []
    for text in _documents(TEXTS, 200):
        loads, said = _loads(write_spec(text))
        sound += loads
        if loads != spec_validator.is_valid(as_json(text)):
            differing.append(f"{text}\nload_spec: {said}")
    assert not differing, "\n\n".join(differing)
    assert 10 < sound < 100  # it tells both kinds


def test_the_schema_refuses_no_spec_that_extends_another_one_and_loads(spec_validator, write_spec):
    """The other way round it cannot be: the schema does not see the base."""
    sound = [text for text in _documents(EXTENDING, 100) if _loads(write_spec(text))[0]]
    assert 10 < len(sound) < 80
    for text in sound:
        spec_validator.validate(as_json(text))


@pytest.mark.parametrize(
    "change",
    [
        ("expansion: 2}", "expansoin: 2}"),
        ("expansion: 2}", "expansion: 0}"),
        ("filters: 8,", ""),
        ("block: bottleneck", "block: botleneck"),
        ("defaults: {bias: true}", "defaults: {bais: true}"),
        ("defaults: {bias: true}", "defaults: {group_width: x}"),
        ("defaults: {bias: true}", "defaults: {kernel: 3}"),
        ("size: 32", "size: [32]"),
        ("budget: {macs: '< 2G'}", "budget: {macs: '< 2Gi'}"),
        ("budget: {macs: '< 2G'}", "budget: {macs: 2}"),
        ("name: x", "name: x y"),
        ("name: x", "archspec: 2\nname: x"),
    ],
)
def test_what_the_schema_refuses(spec_validator, write_spec, change):
    text = (
        "name: x\ninput: {size: 32}\ndefaults: {bias: true}\nstem: conv\nbudget: {macs: '< 2G'}\n"
        "stages: [{block: bottleneck, filters: 8, expansion: 2}]\nhead: {type: classifier, classes: 3}\n"
    )
    assert spec_validator.is_valid(as_json(text))
    assert _loads(write_spec(text))[0]
    broken = text.replace(*change)
    assert broken != text
    assert not spec_validator.is_valid(as_json(broken))
    assert not _loads(write_spec(broken))[0]


def test_fields_have_descriptions_defaults_and_ranges():
    schema = spec_schema(PLUGINS)
    basic = schema["$defs"]["blocks.basic"]["properties"]
    assert basic["filters"]["description"] == "The paper's width; a bottleneck's output is `filters * expansion`."
    assert (basic["strides"]["default"], basic["strides"]["minimum"], basic["strides"]["maximum"]) == (1, 1, 64)
    assert basic["norm"]["default"] == "batch"
    names = schema["$defs"]["norms-batch"]["anyOf"][0]
    assert {"batch", "group", "none"} <= set(names["enum"])
    assert "batch normalisation" in names["enumDescriptions"]
    assert basic["padding"]["enum"] == ["symmetric", "tensorflow"]


def test_the_options_of_a_plugin_are_in_the_schema(tmp_path, monkeypatch, small_text):
    (tmp_path / "ghost_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    check = validator(spec_schema(Plugins(["ghost_plugin"], installed=False)))
    text = small_text.replace("{block: basic,", "{block: ghost, ratio: 3, data: {a: [1]},", 1)
    assert check.is_valid(as_json(text))
    assert not check.is_valid(as_json(text.replace("ratio: 3", "ratio: 9")))
    assert not check.is_valid(as_json(text.replace("[1]", "[x]")))
    assert not check.is_valid(as_json(text.replace("ratio: 3, ", "")))
    assert not validator(spec_schema(PLUGINS)).is_valid(as_json(text))
    assert check.is_valid(as_json(text.replace("ratio: 3, ", "") + "defaults: {ratio: 2}\n"))


PLUGIN = """
from typing import Annotated
from pydantic import BaseModel, Field
from archspec import BlockOptions, Offer, hookimpl

class Inner(BaseModel):
    a: list[int]

class GhostOptions(BlockOptions):
    ratio: Annotated[int, Field(ge=2, le=4)]
    \"\"\"Of cheap maps.\"\"\"
    data: Inner | None = None

@hookimpl
def archspec_blocks():
    return {"ghost": Offer(GhostOptions, lambda net, x, block: x, "cheap maps")}
"""


def test_a_field_is_described_by_the_text_under_it():
    class Base(archspec.Options):
        """Options."""

        first: int = 1
        """Of the
        base."""
        second: int = 2

    class Derived(Base):
        """Options."""

        second: int = 3
        """Of the derived one."""

    assert field_descriptions(Derived) == {"first": "Of the base.", "second": "Of the derived one."}
    namespace = {"Base": Base}
    exec("class Made(Base):\n    third: int = 3\n    'Unseen.'\n", namespace)
    assert field_descriptions(namespace["Made"]) == {"first": "Of the base."}
