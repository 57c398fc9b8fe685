import pytest
from pydantic import BaseModel

import archspec
from archspec.errors import DocumentError, PluginError
from archspec.plugins import default_plugins
from archspec.spec.settings import default_options

GOOD = """name: good
input: {channels: 3, size: 32}
stem: {type: conv, filters: 8, kernel: 3, strides: 1}
stages:
- {block: basic, filters: 8}
head: {type: classifier, classes: 3}
"""


def test_every_error_of_a_file_is_shown_at_once_and_in_file_order(faults):
    text = """head: {type: clasifier, classes: 3}
nmae: bad
stages:
- {block: botleneck, filters: 256}
- {block: basic, filters: 8, activation: rleu, norm: {type: batch, epss: 1}}
- {block: basic, strides: 2.5}
stem: {type: conv, filters: 0, kernel: big}
input: {chanels: 3, size: [1, 2, 3]}
"""
    found = [(d.place.line, d.message, d.hint) for d in faults(text)]
    assert found == [
        (1, "unknown head 'clasifier'", "did you mean 'classifier'?"),
        (2, "unknown key 'nmae'", "did you mean 'name'?"),
        (4, "unknown block 'botleneck'", "did you mean 'bottleneck'?"),
        (5, "unknown activation 'rleu'", "did you mean 'relu'?"),
        (5, "unknown key 'epss'", "did you mean 'eps'?"),
        (6, "'stages[2]' has no 'filters'", ""),
        (6, "'stages[2].strides' must be a whole number, not 2.5", ""),
        (7, "'stem.filters' must be at least 1, not 0", ""),
        (7, "'stem.kernel' must be a whole number, not the text 'big'", ""),
        (8, "unknown key 'chanels'", "did you mean 'channels'?"),
        (8, "'input.size' must hold 2 entries, not 3", ""),
    ]


@pytest.mark.parametrize(
    ("old", "new", "caret", "path"),
    [
        ("block: basic", "block: baisc", "baisc", "stages[0].block"),
        ("stem: {type: conv,", "stem: {type: conf,", "conf", "stem.type"),
        ("filters: 8}", "filters: 8, norm: btach}", "btach", "stages[0].norm"),
        ("filters: 8}", "filters: 8, norm: {type: batch, epss: 1}}", "epss", "stages[0].norm.epss"),
        ("filters: 8}", "filters: 8, norm: {type: batch, eps: x}}", "x", "stages[0].norm.eps"),
        ("filters: 8}", "filters: 8, norm: [batch]}", "[batch]", "stages[0].norm"),
        ("filters: 8}", "filters: 8, norm: {type: 3}}", "3", "stages[0].norm.type"),
        ("filters: 8}", "filters: -1}", "-1", "stages[0].filters"),
        ("filters: 8}", "filters: 8, padding: same}", "same", "stages[0].padding"),
        ("classes: 3}", "classes: yes}", "yes", "head.classes"),
        ("classes: 3}", "classes: 3, dropout: 1}", "1", "head.dropout"),
        ("classes: 3}", "classes: 3, softmax: 1}", "1", "head.softmax"),
        ("size: 32", "size: 0", "0", "input.size"),
        ("size: 32", "size: [32, x]", "x", "input.size[1]"),
        ("size: 32", "size: [32]", "[32]", "input.size"),
        ("size: 32", "size: {height: 3}", "{height: 3}", "input.size"),
        ("name: good", "name: 10", "10", "name"),
        ("name: good", "name: [a]", "[a]", "name"),
        ("name: good", "archspec: 2\nname: good", "2", "archspec"),
    ],
)
def test_one_wrong_value_is_one_error_with_the_caret_under_it(faults, old, new, caret, path):
    (fault,) = faults(GOOD.replace(old, new))
    start = fault.place.column - 1
    assert fault.place.text[start : start + fault.place.length] == caret
    assert archspec.errors.show_path(fault.path) == path


def test_the_caret_stands_under_the_value_in_the_picture(faults):
    *_, line, pointer, _ = faults(GOOD.replace("block: basic", "block: baisc"))[0].render().splitlines()
    assert line[pointer.index("^") : pointer.rindex("^") + 1] == "baisc"


@pytest.mark.parametrize("key", ["name", "stem", "stages", "head"])
def test_a_missing_part_is_named(faults, key):
    text = "".join(f"{line}\n" for line in GOOD.splitlines() if not line.startswith(key))
    text = text.replace("- {block: basic, filters: 8}\n", "") if key == "stages" else text
    assert [fault.message for fault in faults(text)] == [f"the file has no '{key}'"]


@pytest.mark.parametrize("key", ["stem", "stages", "head", "name", "input"])
@pytest.mark.parametrize("value", ["", "3", "text", "[]", "{}", "[[]]", "true", "[~]", "{a: ~}"])
def test_a_part_of_another_kind_is_an_error_and_no_crash(write_spec, key, value):
    lines = [line for line in GOOD.splitlines() if key != "stages" or not line.startswith("- ")]
    path = write_spec("".join(f"{key}: {value}\n" if line.startswith(key) else f"{line}\n" for line in lines))
    if (key, value) in {("name", "text"), ("input", "{}")}:
        archspec.load_spec(path)
        return
    with pytest.raises(DocumentError) as caught:
        archspec.load_spec(path)
    assert caught.value.diagnostics
    assert all(fault.place for fault in caught.value.diagnostics)


def test_an_empty_entry_among_the_stages_is_an_error(faults):
    (fault,) = faults(GOOD.replace("- {block: basic, filters: 8}", "-"))
    assert fault.place.line == 5


def test_no_stages_is_an_error(faults):
    (fault,) = faults(GOOD.replace("stages:\n- {block: basic, filters: 8}", "stages: []"))
    assert fault.message == "'stages' must hold at least 1 entry, not 0"


def test_a_list_that_is_too_short_says_how_long_it_must_be(faults):
    (fault,) = faults(GOOD.replace("size: 32", "size: [32]"))
    assert fault.message == "'input.size' must hold 2 entries, not 1"


@pytest.mark.parametrize("value", [".nan", ".inf", "1e999", "-.inf"])
def test_numbers_that_are_not_finite_are_refused(faults, value):
    (fault,) = faults(GOOD.replace("filters: 8}", f"filters: 8, norm: {{eps: {value}}}}}"))
    assert "must be a finite number" in fault.message


def test_an_unknown_name_lists_the_known_ones_and_who_offers_them(faults):
    (fault,) = faults(GOOD.replace("basic", "xyz"))
    known = ", ".join(sorted(default_plugins().offers("blocks")))
    assert fault.notes == (f"known blocks: {known} ({len(known.split(', '))} built in)",)
    assert fault.hint == ""


def test_text_from_a_file_cannot_move_the_cursor_or_break_the_line(faults):
    (fault,) = faults(GOOD + '"\\e[2Jred\\nkey": 1\n')
    assert "\x1b" not in fault.render()
    assert len(fault.render().splitlines()) == 5


def test_a_value_from_a_file_cannot_move_the_cursor(faults):
    (fault,) = faults(GOOD.replace("name: good", 'name: "\\e[2Jred"'))
    assert "\x1b" not in fault.render()


def test_a_very_long_key_does_not_fill_the_screen(faults):
    (fault,) = faults(GOOD + f"{'k' * 900}: 1\n")
    assert max(map(len, fault.render().splitlines())) < 250


def test_settings_are_frozen_and_refuse_unknown_keys(write_spec):
    spec = archspec.load_spec(write_spec(GOOD))
    with pytest.raises(ValueError, match="frozen"):
        spec.head.classes = 4
    assert isinstance(spec, BaseModel)
    with pytest.raises(ValueError, match="extra"):
        archspec.Options(unknown=1)


def test_options_can_be_made_without_a_document():
    plugins = default_plugins()
    options = default_options("blocks", "basic", plugins, filters=8, norm={"type": "batch", "eps": 0.5})
    assert (options.filters, options.norm.eps, options.offer.name) == (8, 0.5, "basic")
    with pytest.raises(PluginError, match=r"unknown block 'baisc'; did you mean 'basic'\?"):
        default_options("blocks", "baisc", plugins, filters=8)


def test_records_give_the_same_as_data(write_spec):
    path = write_spec(GOOD.replace("basic", "baisc"))
    with pytest.raises(DocumentError) as caught:
        archspec.load_spec(path)
    (record,) = caught.value.records()
    assert record | {"help": None} == {
        "message": "unknown block 'baisc'",
        "file": str(path),
        "line": 5,
        "column": 11,
        "path": "stages[0].block",
        "help": None,
    }
    assert record["help"].startswith("did you mean 'basic'?; known blocks: ")
