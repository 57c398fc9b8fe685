import math

import pytest
from counting import count_calls

from archspec.errors import DocumentError
from archspec.spec.reader import MAX_BYTES, Mapping, plain, read_document, read_text


def value_of(text):
    return plain(read_text(f"key: {text}\n", "spec.yaml"))["key"]


def fault_of(text):
    with pytest.raises(DocumentError) as caught:
        read_text(text, "spec.yaml")
    assert len(caught.value.diagnostics) == 1
    return caught.value.diagnostics[0]


# https://yaml.org/spec/1.2.2/#103-core-schema
CORE_SCHEMA = {
    "no": "no",
    "off": "off",
    "y": "y",
    "Yes": "Yes",
    "true": True,
    "True": True,
    "TRUE": True,
    "tRUE": "tRUE",
    "false": False,
    "null": None,
    "Null": None,
    "~": None,
    "": None,
    "010": 10,
    "0o10": 8,
    "0x1F": 31,
    "0b11": "0b11",
    "0O10": "0O10",
    "-0o10": "-0o10",
    "+12": 12,
    "-12": -12,
    "1_000": "1_000",
    "1:30": "1:30",
    "1e-3": 0.001,
    "1E3": 1000.0,
    "1e3": 1000.0,
    ".5": 0.5,
    "5.": 5.0,
    "1.5e+2": 150.0,
    ".": ".",
    "1e": "1e",
    "e1": "e1",
    ".inf": math.inf,
    "-.INF": -math.inf,
    "+.Inf": math.inf,
    "inf": "inf",
    "nan": "nan",
    "2001-12-14": "2001-12-14",
    "=": "=",
    "'10'": "10",
    '"true"': "true",
    "''": "",
    "! 12": "12",
    '"\\u00e9"': "é",
}


@pytest.mark.parametrize(("text", "expected"), CORE_SCHEMA.items())
def test_scalars_follow_the_core_schema_of_yaml_1_2(text, expected):
    value = value_of(text)
    assert value == expected
    assert type(value) is type(expected)


def test_not_a_number_is_read_so_that_a_model_can_refuse_it():
    assert math.isnan(value_of(".nan"))
    assert math.isnan(value_of(".NaN"))


def test_a_block_scalar_is_text_even_where_it_looks_like_a_number():
    assert value_of("|-\n  12") == "12"


def test_collections_become_maps_and_tuples():
    text = "a: [1, [2, 3], {b: 4}]\nc:\n- 5\n-\n  d: 6\n"
    assert plain(read_text(text, "f")) == {"a": (1, (2, 3), {"b": 4}), "c": (5, {"d": 6})}


def test_a_key_is_text_whatever_it_looks_like():
    assert plain(read_text("1: a\nno: b\nnull: c\n", "f")) == {"1": "a", "no": "b", "null": "c"}


def test_an_alias_stands_for_its_anchor():
    assert plain(read_text("a: &x {b: 1}\nc: *x\n", "f")) == {"a": {"b": 1}, "c": {"b": 1}}


def test_an_anchor_can_be_set_again():
    assert plain(read_text("a: &x 1\nb: &x 2\nc: *x\n", "f"))["c"] == 2


def test_every_repeated_key_is_reported_with_the_place_of_the_first():
    with pytest.raises(DocumentError) as caught:
        read_text("a: 1\nb: {c: 1, c: 2}\na: 3\n", "f")
    found = [(d.message, d.place.line, d.place.column, d.hint) for d in caught.value.diagnostics]
    assert found == [
        ("the key 'c' is given twice", 2, 11, "it stands first at line 2, column 5"),
        ("the key 'a' is given twice", 3, 1, "it stands first at line 1, column 1"),
    ]


def test_a_key_repeated_in_quotes_is_the_same_key():
    assert "given twice" in fault_of("a: 1\n'a': 2\n").message


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a: 1\nb: x\n", 2, 4),
        ("a: 1\r\nb: x\r\n", 2, 4),
        ("a: 1\rb: x\r", 2, 4),
        ("# é 中文 \U0001f600\nb: x\n", 2, 4),
        ("'é中\U0001f600': 1\nb: x\n", 2, 4),
        ("a:\t1\nb:\tx\n", 2, 4),
    ],
)
def test_a_value_knows_its_line_and_column_in_characters(text, line, column):
    node = read_text(text, "f")
    place = node.entries["b"].node.place
    assert (place.line, place.column, place.length, place.text[place.column - 1]) == (line, column, 1, "x")


def test_columns_count_characters_and_not_bytes():
    node = read_text("{é中\U0001f600: 1, b: xyz}", "f")
    place = node.entries["b"].node.place
    assert (place.column, place.length) == (13, 3)
    assert place.text[12:15] == "xyz"


def test_a_flow_collection_reaches_its_closing_bracket():
    place = read_text("a: [1, 2]\n", "f").entries["a"].node.place
    assert (place.column, place.length) == (4, 6)


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path):
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfname: x\n")
    node = read_document(tmp_path / "f.yaml")
    assert list(node.entries) == ["name"]
    assert node.entries["name"].key.column == 1


def test_bytes_that_are_not_utf8_are_refused_at_their_place(tmp_path):
    (tmp_path / "f.yaml").write_bytes("a: 1\né: ".encode() + b"\xff\n")
    with pytest.raises(DocumentError) as caught:
        read_document(tmp_path / "f.yaml")
    (fault,) = caught.value.diagnostics
    assert (fault.message, fault.place.line, fault.place.column) == ("the file is not UTF-8 text", 2, 4)


def test_a_file_is_measured_before_it_is_read(tmp_path):
    (tmp_path / "f.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(DocumentError, match="larger than 1,000,000 bytes"):
        read_document(tmp_path / "f.yaml")
    (tmp_path / "f.yaml").write_bytes(b"a: 1\n" + b"#" * (MAX_BYTES - 5))
    assert plain(read_document(tmp_path / "f.yaml")) == {"a": 1}


@pytest.mark.parametrize("deep", ["[" * 5000, "{a: " * 5000, "- " * 5000, "? " * 5000])
def test_deep_nesting_is_refused_and_does_not_crash(deep):
    fault = fault_of(f"a:\n {deep}")
    assert fault.message in ("nested deeper than 32 levels", "a key must be plain text")


def test_nesting_up_to_the_limit_is_read():
    assert plain(read_text("[" * 32 + "]" * 32, "f"))
    assert "deeper" in fault_of("[" * 34 + "]" * 34).message


def test_an_alias_bomb_is_refused_before_it_is_written_out():
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    fault = None

    def refuse():
        nonlocal fault
        fault = fault_of("\n".join(lines))

    calls = count_calls(refuse)
    assert calls < 10_000_000, "9 ** 12 values are 282 billion"
    assert fault.message == "more than 200,000 values, aliases written out"


def test_an_alias_inside_its_own_anchor_is_refused():
    assert fault_of("a: &a [*a]\n").message == "unknown alias '*a'"


def test_a_long_number_is_refused_before_it_is_converted():
    assert fault_of(f"a: {'9' * 5000}\n").message == "a number of more than 30 digits"
    assert value_of("9" * 30) == int("9" * 30)


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system [ls]", "!!int 3", "!!str 3", "!own {a: 1}", "!!set {a}"]
)
def test_tags_are_refused(text):
    fault = fault_of(f"key: {text}\n")
    assert "is not part of the format" in fault.message
    assert (fault.place.line, fault.place.column) == (1, 6)


def test_a_tag_on_a_key_is_refused_too():
    assert "is not part of the format" in fault_of("!!int 1: a\n").message


def test_a_second_document_is_refused_where_it_begins():
    fault = fault_of("---\na: 1\n---\nb: 2\n")
    assert (fault.message, fault.place.line) == ("the file holds a second document", 3)
    assert isinstance(read_text("---\na: 1\n...\n", "f"), Mapping)


@pytest.mark.parametrize("text", ["[a]: 1\n", "{a: 1}: 1\n", "a: &x k\n*x : 1\n", "? [a]\n: 1\n"])
def test_a_key_that_is_not_text_is_refused(text):
    assert fault_of(text).message == "a key must be plain text"


@pytest.mark.parametrize("character", ["\0", "\x01", "\x7f", "\x1b"])
@pytest.mark.parametrize("before", ["ab: '", "# é\nab: 'c", "ab: 'é\U0001f600"])
def test_a_control_character_is_refused_at_its_place(before, character):
    fault = fault_of(f"{before}{character}'\nb: 1\nc: 2\n")
    lines = before.split("\n")
    assert "control character" in fault.message
    assert (fault.place.line, fault.place.column) == (len(lines), len(lines[-1]) + 1)


@pytest.mark.parametrize(
    "text", ["a: [1", "a: 'x", "a: {b: 1", "a: b: c", "\ta: 1", "a: @x", "- a\nb: 1", "%x\n", "a: *"]
)
def test_text_that_is_not_yaml_is_refused_with_a_place(text):
    fault = fault_of(text)
    assert fault.message.startswith("not YAML: ")
    assert fault.place is not None
    assert fault.place.line <= text.count("\n") + 1
