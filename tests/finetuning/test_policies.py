"""The built-in freezing policies, on numbers that were worked out by hand."""

import pytest

from archspec import FreezingOptions, Treatment
from archspec.errors import DocumentError
from archspec.finetuning.names import by_part, name_ranges, norms_of
from archspec.finetuning.treatment import statistics

PARTS = ["stem", "stages.0", "stages.1", "stages.2", "stages.3", "head"]


@pytest.fixture
def plan(plan_of):
    return plan_of("resnet18")


def trained(treatments):
    return [name for name, treatment in treatments.items() if treatment.trains]


def under(*scopes):
    return lambda name: name.startswith(tuple(f"{scope}." for scope in scopes))


def fault(policy_of, text, plan, *overrides):
    with pytest.raises(DocumentError) as caught:
        policy_of(text, plan, *overrides)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def scale_of(treatments, name):
    assert treatments[name].trains
    return treatments[name].scale


def test_a_treatment_trains_at_the_rate_unless_it_says_otherwise():
    assert Treatment(trains=True) == Treatment(True, 1.0, "train")


@pytest.mark.parametrize(
    "text", ["none", "head-only", "until:stages.2", "norm-only", "gradual", "lp-ft", "layer-decay"]
)
def test_every_parameter_and_nothing_else_is_treated(policy_of, plan, text):
    names = [name for name, _, trained in plan.tensors() if trained]
    assert len(names) == 62
    for epoch in (0, 1, 29, 10**6):
        assert list(policy_of(text, plan)(epoch)) == names


def test_none_trains_everything_at_one(policy_of, plan):
    assert set(policy_of("none", plan)(0).values()) == {Treatment(True, 1.0, "train")}


def test_head_only_trains_the_head(policy_of, plan):
    treatments = policy_of("head-only", plan)(0)
    assert trained(treatments) == ["head.linear.weight", "head.linear.bias"]
    assert treatments["stages.3.1.norm2.weight"] == Treatment(False, 1.0, "eval")


@pytest.mark.parametrize(
    ("stage", "frozen"),
    [
        ("stages.2", ("stem", "stages.0", "stages.1")),
        ("stages.2.1", ("stem", "stages.0", "stages.1", "stages.2.0")),
        ("head", PARTS[:-1]),
        ("stem", ()),
    ],
)
def test_until_freezes_what_stands_before(policy_of, plan, stage, frozen):
    treatments = policy_of(f"until:{stage}", plan)(0)
    assert trained(treatments) == [name for name in treatments if not under(*frozen)(name)]


def test_norm_only_trains_norms_and_the_head(policy_of, plan):
    treatments = policy_of("norm-only", plan)(0)
    assert len(norms_of(plan)) == 2 * 20
    assert set(trained(treatments)) == {*norms_of(plan), "head.linear.weight", "head.linear.bias"}
    assert set(statistics(plan, treatments).values()) == {"train"}


def test_norm_only_takes_norms_of_any_kind(policy_of, plan_of):
    plan = plan_of("convnext-atto")
    chosen = trained(policy_of("norm-only", plan)(0))
    assert "stages.0.0.norm.weight" in chosen
    assert "stages.0.0.scale.weight" not in chosen
    assert {name for name in chosen if name.startswith("head.")} == set(by_part(plan)["head"])


def test_gradual_goes_from_the_head_down_and_ends_with_the_stem(policy_of, plan):
    policy = policy_of("gradual:3", plan)
    seen = [name_ranges(plan, trained(policy(epoch))) for epoch in range(20)]
    expected = ["head", *(f"{stage} to head" for stage in PARTS[4:0:-1]), "everything"]
    assert [ranges for (ranges,) in seen] == [expected[min(epoch // 3, 5)] for epoch in range(20)]
    assert {treatment.scale for treatment in policy(19).values()} == {1.0}


def test_lp_ft_probes_and_then_tunes_at_a_lower_rate(policy_of, plan):
    policy = policy_of("lp-ft:2", plan)
    for epoch in (0, 1):
        assert trained(policy(epoch)) == by_part(plan)["head"]
        assert scale_of(policy(epoch), "head.linear.weight") == 1
    for epoch in (2, 29):
        assert set(policy(epoch).values()) == {Treatment(True, 0.1, "train")}
    deeper = policy_of("lp-ft:2", plan, "recipe.freeze.until=stages.3", "recipe.freeze.scale=0.5")
    assert name_ranges(plan, trained(deeper(2))) == ("stages.3 to head",)
    assert scale_of(deeper(2), "head.linear.bias") == 0.5


def test_layer_decay_falls_by_the_block(policy_of, plan):
    """Eight blocks between stem and head: the head is block 9."""
    treatments = policy_of("layer-decay:0.5", plan)(0)
    assert len(trained(treatments)) == len(treatments)
    found = {name: scale_of(treatments, f"{name}.weight") for name in ("stem.conv", "stages.0.0.conv1", "head.linear")}
    assert found == {"stem.conv": 2.0**-9, "stages.0.0.conv1": 2.0**-8, "head.linear": 1.0}
    assert scale_of(treatments, "stages.2.1.norm2.bias") == 2.0**-3
    assert scale_of(treatments, "stages.3.0.shortcut.norm.bias") == 2.0**-2


def test_discriminative_is_geometric_from_the_stem_to_the_head(policy_of, plan):
    """Six parts: fastai's `slice(1e-5, 1)` of six groups."""
    treatments = policy_of("discriminative:1e-5", plan)(7)
    found = [{treatments[name].scale for name in names} for names in by_part(plan).values()]
    assert [scale for (scale,) in found] == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert found[0] == {1e-5}
    assert found[-1] == {1.0}


def test_a_pattern_freezes_and_another_one_takes_back(policy_of, plan):
    treatments = policy_of("patterns:stem.*,stages.[01].*", plan, "recipe.freeze.train=['*.norm1.*']")(0)
    for name, treatment in treatments.items():
        assert treatment.trains == (".norm1." in name or not under("stem", "stages.0", "stages.1")(name)), name
    bn = statistics(plan, treatments)
    assert (bn["stages.0.0.norm1"], bn["stages.0.0.norm2"], bn["stages.3.0.norm1"]) == ("train", "eval", "train")


def test_without_freeze_a_pattern_alone_trains(policy_of, plan):
    treatments = policy_of("patterns", plan, "recipe.freeze.train=['*.bias']")(0)
    assert trained(treatments) == [name for name in treatments if name.endswith(".bias")]
    assert name_ranges(plan, trained(treatments)) == ("biases of stem to head",)


def test_a_norm_of_which_a_part_trains_is_in_training(policy_of, plan):
    treatments = policy_of("patterns:*.weight", plan)(0)
    assert treatments["stem.norm.weight"] == Treatment(False, 1.0, "train")
    assert treatments["stem.conv.weight"] == Treatment(False, 1.0, "eval")


@pytest.mark.parametrize("bn", ["eval", "batch", "update"])
def test_every_policy_says_what_a_frozen_batch_norm_does(policy_of, plan, bn):
    treatments = policy_of("until:stages.1", plan, f"recipe.freeze.bn={bn}")(0)
    counted = list(statistics(plan, treatments).values())
    assert (counted.count(bn), counted.count("train")) == (5, 15)


def test_the_options_of_every_policy_derive_from_one(read):
    assert isinstance(read("none"), FreezingOptions)
    assert read("gradual").shorthand == "every"


def test_treatments_cannot_be_changed_from_outside(policy_of, plan):
    with pytest.raises(TypeError):
        policy_of("gradual", plan)(0)["stem.conv.weight"] = Treatment(trains=True)


def test_an_unknown_stage_is_an_error_at_its_letters(policy_of, plan):
    found = fault(policy_of, "until:stages.4", plan)
    assert found.message == "'stages.4' is no block of resnet18"
    assert (found.place.file, found.place.column, found.place.length) == ("--freeze", 7, 8)
    assert found.path == ("freeze", "stage")
    assert found.hint.startswith("did you mean 'stages.")
    assert found.notes[0].startswith("stages and blocks: stem, stages.0, stages.0.0, stages.0.1, stages.1,")


def test_an_unknown_stage_of_the_second_phase_is_an_error_at_its_own_place(policy_of, plan):
    found = fault(policy_of, "lp-ft", plan, "recipe.freeze.until=stage.3")
    assert (found.place.file, found.place.column) == ("--set", 21)
    assert found.hint == "did you mean 'stages.3'?"
    assert found.path == ("freeze", "until")


def test_a_pattern_without_a_match_is_an_error_with_the_nearest_names(policy_of, plan):
    found = fault(policy_of, "patterns:stem.*,stages.3", plan)
    assert found.message == "the pattern 'stages.3' matches no parameter"
    assert (found.place.column, found.place.length) == (17, 8)
    assert found.path == ("freeze", "freeze", 1)
    assert found.hint == "did you mean 'stages.3.*'?"
    assert "stages.3.*" in found.notes[0]
    far = fault(policy_of, "patterns:zzzzzzzzzzzzzzzz", plan)
    assert far.notes == ("names are as stem.conv.weight and head.linear.bias",)


@pytest.mark.parametrize("text", ["patterns:*", "patterns:*.weight,*.bias"])
def test_a_policy_under_which_nothing_trains_is_an_error(policy_of, plan, text):
    found = fault(policy_of, text, plan)
    assert found.message == "every parameter of resnet18 is frozen"
    assert found.path == ("freeze", "freeze")


def test_behind_the_head_nothing_trains(policy_of, plan_of):
    found = fault(policy_of, "until:softmax", plan_of("resnet18", "head.softmax=true"))
    assert found.message == "nothing trains: resnet18 has no parameters from 'softmax' on"
    assert found.notes == ("name an earlier block, such as head",)
