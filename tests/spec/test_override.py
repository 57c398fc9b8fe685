import pytest

import archspec
from archspec.errors import DocumentError


@pytest.fixture
def overridden(write_spec, small_text):
    return lambda *overrides: archspec.load_spec(write_spec(small_text), overrides)


def test_values_are_typed_as_in_the_file(overridden):
    spec = overridden("head.classes=12", "head.softmax=true", "head.dropout=5e-1", "name='010'", "input.size=[96, 128]")
    assert (spec.head.classes, spec.head.softmax, spec.head.dropout) == (12, True, 0.5)
    assert (spec.name, spec.input.size) == ("010", (96, 128))


def test_an_entry_of_a_list_is_named_by_its_number(overridden):
    spec = overridden("stages.2.filters=128", "stages[0].filters=8")
    assert [stage.filters for stage in spec.stages] == [8, 32, 128]


def test_a_star_names_every_entry(overridden):
    assert [stage.bias for stage in overridden("stages.*.bias=true").stages] == [True] * 3


def test_a_later_override_wins(overridden):
    assert overridden("stages.*.filters=4", "stages.1.filters=8").stages[1].filters == 8


def test_an_option_can_be_set_on_a_shorthand(write_spec, small_text):
    text = small_text.replace("filters: 16, strides: 2", "filters: 16, norm: batch, strides: 2")
    spec = archspec.load_spec(write_spec(text), ["stages.0.norm.eps=1e-2"])
    assert (spec.stages[0].norm.offer.name, spec.stages[0].norm.eps) == ("batch", 0.01)


def test_an_option_can_be_set_where_the_file_says_nothing(overridden):
    spec = overridden("stages.0.norm.momentum=0.5", "input.channels=1", "defaults.activation=silu")
    assert spec.stages[0].norm.momentum == 0.5
    assert spec.input.channels == 1
    assert [stage.activation.offer.name for stage in spec.stages] == ["silu"] * 3


def test_a_whole_part_can_be_replaced(overridden):
    spec = overridden("stem={type: conv-pool, filters: 4}", "stages=[{block: bottleneck, filters: 2}]")
    assert (spec.stem.offer.name, len(spec.stages), spec.stages[0].offer.name) == ("conv-pool", 1, "bottleneck")


def test_a_value_may_hold_an_equals_sign(faults, small_text):
    assert "unlike 'a=b'" in faults(small_text, "name=a=b")[0].message


def test_an_alias_is_changed_where_it_stands_and_not_at_its_anchor(write_spec):
    text = "name: x\nstem: conv\nstages: [&s {block: basic, filters: 8}, *s]\nhead: {type: classifier, classes: 3}\n"
    spec = archspec.load_spec(write_spec(text), ["stages.1.filters=32"])
    assert [stage.filters for stage in spec.stages] == [8, 32]


@pytest.mark.parametrize("override", ["head.classes", "=3", "", "..=3", "  =1"])
def test_an_override_of_another_form_is_refused(faults, small_text, override):
    (fault,) = faults(small_text, override)
    assert fault.message == f"'{override}' is not of the form path=value"
    assert fault.hint == "such as head.classes=10"


@pytest.mark.parametrize("index", ["3", "-1", "first", "99999999999999999999", "²"])
def test_an_index_out_of_range_says_what_there_is(faults, small_text, index):
    (fault,) = faults(small_text, f"stages.{index}.filters=1")
    assert fault.message.startswith("there is no entry")
    assert fault.hint == "entries are 0 to 2, or * for all"
    assert (fault.place.file, fault.place.column) == ("--set", 8)


def test_an_entry_of_an_empty_list_is_not_said_to_end_at_minus_one(faults, small_text):
    (fault,) = faults(small_text, "stages=[]", "stages.0.filters=1")
    assert "-1" not in fault.hint


WIDTH_RULE = """name: widths
stem: conv
stages: {block: bottleneck, depth: 5, w0: 24, wa: 24.0, wm: 2.0}
head: {type: classifier, classes: 3}
"""
ALL_AT_ONCE = "a width rule describes all stages at once: leave it out"


@pytest.mark.parametrize("path", ["stages.*.bias", "stages[*].bias", "stages.bias"])
def test_all_stages_of_a_width_rule_are_reached_with_a_star_or_without(write_spec, path):
    stages = archspec.load_spec(write_spec(WIDTH_RULE), [f"{path}=true"]).stages
    assert len(stages) > 1
    assert all(stage.bias for stage in stages)


@pytest.mark.parametrize("path", ["stages.0.bias", "stages.*.*.bias", "stages.*.0.bias", "stages.*", "stages.1"])
def test_a_width_rule_has_no_single_stages(faults, path):
    (fault,) = faults(WIDTH_RULE, f"{path}=true")
    assert fault.message.startswith("only a list has an entry")
    assert fault.hint == ALL_AT_ONCE


@pytest.mark.parametrize(
    ("path", "column", "such"),
    [
        ("*.filters", 1, "name"),
        ("*", 1, "name"),
        ("0.x", 1, "name"),
        ("stem.*.filters", 6, "type"),
        ("stages.0.*.filters", 10, "block"),
        ("stages.*.*.filters", 10, "block"),
        ("stages.2.1", 10, "block"),
        ("head.0.classes", 6, "type"),
    ],
)
def test_a_map_has_no_numbers_and_no_star(faults, small_text, path, column, such):
    (fault,) = faults(small_text, f"{path}=3")
    assert fault.message == f"only a list has an entry '{path[column - 1]}'"
    assert fault.hint == f"this is a map: name one of its keys, such as {such}"
    assert (fault.place.file, fault.place.column, fault.place.length) == ("--set", column, 1)


@pytest.mark.parametrize("key", ["*", "0"])
def test_an_entry_of_a_list_that_is_not_there_is_refused(faults, key):
    (fault,) = faults("name: x\nstem: conv\nhead: {type: classifier, classes: 3}\n", f"stages.{key}.filters=8")
    assert (fault.message, fault.hint) == (
        f"only a list has an entry '{key}'",
        "nothing stands here yet: name a key, or set the whole list",
    )


def test_an_unknown_path_points_into_the_override(faults, small_text):
    (fault,) = faults(small_text, "head.classes=3", "stages.1.filtres=3")
    assert (fault.message, fault.hint) == ("unknown key 'filtres'", "did you mean 'filters'?")
    assert (fault.place.file, fault.place.line, fault.place.column, fault.place.length) == ("--set", 2, 10, 7)


def test_a_wrong_value_points_at_the_value_in_the_override(faults, small_text):
    (fault,) = faults(small_text, "head.classes=ten")
    assert (fault.place.file, fault.place.line, fault.place.column, fault.place.length) == ("--set", 1, 14, 3)
    assert fault.place.text == "head.classes=ten"


def test_a_value_that_is_not_yaml_points_into_the_override(faults, small_text):
    (fault,) = faults(small_text, "input.size=[1")
    assert fault.message.startswith("not YAML")
    assert (fault.place.file, fault.place.text) == ("--set", "input.size=[1")


def test_errors_of_the_file_and_of_overrides_are_shown_together(faults, small_text):
    found = faults(small_text.replace("kernel: 3", "kernel: x"), "head.classes=0")
    assert [fault.message for fault in found] == [
        "'head.classes' must be at least 1, not 0",
        "'stem.kernel' must be a whole number, not the text 'x'",
    ]


def test_a_value_cannot_hold_a_tag(overridden):
    with pytest.raises(DocumentError, match="is not part of the format"):
        overridden("name=!!python/name:os.system x")
