"""`--freeze NAME[:VALUE]` and a recipe's `freeze`: read alike, with errors at their place; and broken policies."""

import pickle
import sys

import pytest

from archspec import Plugins
from archspec.errors import DocumentError, PluginError
from archspec.finetuning.choice import FreezingChoice, read_freezing
from archspec.finetuning.policy import make_policy
from archspec.spec.dump import to_data
from archspec.training.documents import load_recipe

PLUGINS = Plugins(installed=False)
READ = {
    "none": "{}",
    "head-only": "{}",
    "until:stages.2": "{stage: stages.2}",
    "gradual:2": "{every: 2}",
    "gradual": "{}",
    "patterns:stem.*,stages.0.*": "{freeze: [stem.*, stages.0.*]}",
    "lp-ft:7": "{probe: 7}",
    "layer-decay:0.8": "{decay: 0.8}",
    "layer-decay:1": "{decay: 1.0}",
    "discriminative:1e-3": "{lowest: 1e-3}",
    "until:2": "{stage: '2'}",
}


@pytest.fixture
def recipe_of(tmp_path):
    def recipe(text, *overrides):
        (tmp_path / "recipe.yaml").write_text(text)
        return load_recipe(str(tmp_path / "recipe.yaml"), overrides, PLUGINS)

    return recipe


def faults(call, *arguments):
    with pytest.raises(DocumentError) as caught:
        call(*arguments)
    return caught.value.diagnostics


@pytest.mark.parametrize(("text", "options"), READ.items())
def test_the_short_form_is_the_recipes_map(recipe_of, read, text, options):
    name = text.partition(":")[0]
    assert read(text) == recipe_of(f"freeze: {{type: {name}, {options[1:]}").freeze
    assert read(text).offer.name == name


def test_a_recipe_freezes_nothing_unless_it_says_so(recipe_of):
    assert recipe_of("epochs: 3").freeze.offer.name == "none"
    assert recipe_of("freeze: head-only").freeze.offer.name == "head-only"


def test_overrides_reach_the_other_options(read):
    options = read("lp-ft:3", "recipe.freeze.scale=0.2", "recipe.freeze.bn=batch")
    assert to_data(FreezingChoice(freeze=options)) == {
        "freeze": {"type": "lp-ft", "bn": "batch", "probe": 3, "scale": 0.2}
    }


@pytest.mark.parametrize(
    ("text", "message", "column", "length"),
    [
        ("untl:stages.2", "unknown freezing policy 'untl'", 1, 4),
        ("gradual:0", "'freeze.every' must be at least 1, not 0", 9, 1),
        ("gradual:two", "'freeze.every' must be a whole number, not the text 'two'", 9, 3),
        ("gradual:", "'freeze.every' must be a whole number, not nothing", 9, 0),
        ("layer-decay:1.5", "'freeze.decay' must be at most 1.0, not 1.5", 13, 3),
        ("head-only:3", "'head-only' takes nothing after its name", 11, 1),
        ("patterns:stem.*,,head.*", "'freeze.freeze[1]' must not be empty", 17, 0),
        ("until:", "'freeze.stage' must not be empty", 7, 0),
        ("until", "'freeze' has no 'stage'", 1, 5),
        ("", "unknown freezing policy ''", 1, 0),
        ("patterns", "'freeze' has neither `freeze` nor `train`: name patterns, such as freeze: [stem.*]", 1, 8),
    ],
)
def test_an_error_points_into_the_short_form(text, message, column, length):
    (found,) = faults(read_freezing, text, PLUGINS)
    assert found.message == message
    assert (found.place.file, found.place.line, found.place.column, found.place.length) == (
        "--freeze",
        1,
        column,
        length,
    )
    assert found.place.text == text


def test_an_unknown_policy_is_told_the_known_ones():
    (found,) = faults(read_freezing, "untl:stages.2", PLUGINS)
    assert found.hint == "did you mean 'until'?"
    assert found.notes[0].startswith("known freezing policies: discriminative, gradual, head-only,")


def test_what_a_plan_cannot_give_is_an_error_at_the_recipes_line(recipe_of, plan_of, tmp_path):
    freeze = recipe_of("epochs: 3\nfreeze: {type: patterns, freeze: [stem.*, body.*]}").freeze
    (found,) = faults(make_policy, freeze, plan_of("resnet18"), 3)
    assert found.message == "the pattern 'body.*' matches no parameter"
    assert (found.place.file, found.place.line, found.place.column) == (str(tmp_path / "recipe.yaml"), 2, 43)
    assert found.path == ("freeze", "freeze", 1)


def test_options_that_were_read_can_be_pickled(read):
    options = pickle.loads(pickle.dumps(read("until:stages.2")))
    assert options.read_at[1] == ("freeze",)
    assert options.offer.name == "until"


BROKEN = """
from archspec import FreezingOptions, Offer, Options, hookimpl

def fails(options, plan):
    raise KeyError("lost")

def late(options, plan):
    return lambda epoch: options.treatments(plan, {"head.linear.weight": 1.0} if epoch > 3 else {})

@hookimpl
def archspec_freezing_policies():
    made = {
        "fails": fails, "late": late,
        "number": lambda options, plan: 3,
        "breaks": lambda options, plan: lambda epoch: 1 / 0,
        "lacks": lambda options, plan: lambda epoch: dict(list(options.treatments(plan, {}).items())[1:]),
    }
    return {name: Offer(FreezingOptions, make) for name, make in made.items()}
"""


@pytest.fixture
def broken(tmp_path, monkeypatch):
    (tmp_path / "broken_policies.py").write_text(BROKEN)
    monkeypatch.syspath_prepend(tmp_path)
    yield Plugins(["broken_policies"], installed=False)
    sys.modules.pop("broken_policies")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "fails",
            r"'fails' among freezing_policies of broken_policies fails: KeyError: 'lost' \(.*policies.py:5\)",
        ),
        ("breaks", r"'breaks' among .* fails: ZeroDivisionError: division by zero \(.*broken_policies.py:\d+\)"),
        ("number", r"'number' among .* must return a function of the epoch, not 3"),
        ("lacks", r"'lacks' among .* must treat every parameter of resnet18, and nothing else, by its name"),
    ],
)
def test_a_broken_policy_is_its_plugins_fault(broken, plan_of, name, said):
    with pytest.raises(PluginError, match=said):
        make_policy(read_freezing(name, broken), plan_of("resnet18"), 3)


def test_a_run_in_which_nothing_ever_trains_is_an_error(broken, plan_of):
    late = read_freezing("late", broken)
    assert make_policy(late, plan_of("resnet18"), 5) is not None
    (found,) = faults(make_policy, late, plan_of("resnet18"), 4)
    assert found.message == "nothing trains in any of 4 epochs under 'late'"
    assert found.place.file == "--freeze"
