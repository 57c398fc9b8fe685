"""A table that cannot be used: every message whole, in tests/data/faults, with the folder written as ROOT."""

from pathlib import Path

import pytest
from PIL import Image

from archspec.errors import ArchspecError, DocumentError
from archspec.plugins import default_plugins
from archspec.spec.settings import default_options

PLUGINS = default_plugins()
FAULTS = Path(__file__).parent / "faults"
GOOD = "".join(f"img/{number}.png,{'ab'[number % 2]},train\n" for number in range(6))
HEADER = "path,label,split\n"
CASES = {
    "no-file": ({}, "t.csv", {}),
    "empty": ({"t.csv": ""}, "t.csv", {}),
    "blank": ({"t.csv": "\n\n"}, "t.csv", {}),
    "header-only": ({"t.csv": HEADER}, "t.csv", {}),
    "no-header": ({"t.csv": "img/0.png,a\nimg/1.png,b\n"}, "t.csv", {}),
    "no-path-column": ({"t.csv": "pth,label\nimg/0.png,a\n"}, "t.csv", {}),
    "misnamed-column": ({"t.csv": HEADER + GOOD}, "t.csv", {"label": "lable"}),
    "column-twice": ({"t.csv": "path,label,label\nimg/0.png,a,b\n"}, "t.csv", {}),
    "fields": ({"t.csv": HEADER + "img/0.png,a\nimg/1.png,b,train,x\n" + GOOD}, "t.csv", {}),
    "values": (
        {
            "t.csv": HEADER
            + ",a,train\n../secret.png,a,train\n/etc/passwd,a,train\nC:\\x.png,a,train\nimg/../../x.png,a,train\n"
            + 'img/0.png,,train\nimg/1.png,a,tarin\nimg/2.png,a,\n"img/é, ü.png",  ,"what"\n'
        },
        "t.csv",
        {},
    ),
    "outside-by-backslashes": ({"t.csv": HEADER + GOOD + "img\\..\\..\\x.png,a,train\n"}, "t.csv", {}),
    "missing": (
        {"t.csv": HEADER + GOOD + "img/9.png,a,train\nimg/0.PNG,a,train\nimg/1.jpg,b,train\nno/0.png,a,train\n"},
        "t.csv",
        {},
    ),
    "folder-as-image": ({"t.csv": HEADER + GOOD + "img,a,train\n"}, "t.csv", {}),
    "many-missing": (
        {"t.csv": HEADER + GOOD + "".join(f"x/{n},a,val\n" for n in range(5000))},
        "t.csv",
        {},
    ),
    "none-there": ({"t.csv": "path,label\nx/0.png,a\nx/1.png,b\n"}, "t.csv", {}),
    "two-splits": ({"t.csv": HEADER + GOOD + "img/../img/3.png,b,val\n"}, "t.csv", {}),
    "two-labels": ({"t.csv": HEADER + GOOD + "img/3.png,a,train\n"}, "t.csv", {}),
    "leak-between-tables": (
        {"train.csv": "path,label\nimg/0.png,a\nimg/1.png,b\n", "val.csv": "path,label\nimg/2.png,a\nimg/1.png,b\n"},
        "",
        {},
    ),
    "unknown-class": ({"t.csv": HEADER + GOOD + "img/6.png,aa,val\nimg/7.png,zebra,test\n"}, "t.csv", {}),
    "all-unknown": ({"t.csv": HEADER + GOOD + "img/6.png,zebra,val\n"}, "t.csv", {"unknown": "skip"}),
    "one-class": ({"t.csv": "path,label\nimg/0.png,a\nimg/1.png,a\n"}, "t.csv", {}),
    "no-training": ({"t.csv": HEADER + GOOD.replace("train", "test")}, "t.csv", {}),
    "one-image-a-class": ({"t.csv": "path,label\nimg/0.png,a\nimg/1.png,b\n"}, "t.csv", {}),
    "measured": ({"t.csv": "path,label\nimg/0.png,1\nimg/1.png,2.5\n"}, "t.csv", {}),
    "no-number": ({"t.csv": "path,label\nimg/0.png,1\nimg/1.png,tall\nimg/2.png,inf\n"}, "t.csv", {"thresholds": [2]}),
    "empty-threshold-class": ({"t.csv": "path,label\nimg/0.png,1\nimg/1.png,5\n"}, "t.csv", {"thresholds": [2, 3]}),
    "thresholds-fall": ({"t.csv": HEADER}, "t.csv", {"thresholds": [3, 2]}),
    "class-names": ({"t.csv": HEADER}, "t.csv", {"thresholds": [3], "class_names": ["a", "b", "c"]}),
    "class-names-twice": ({"t.csv": HEADER}, "t.csv", {"thresholds": [3], "class_names": ["a", "a"]}),
    "class-names-alone": ({"t.csv": HEADER}, "t.csv", {"class_names": ["a", "b"]}),
    "open-quote": ({"t.csv": HEADER + GOOD + '"img/9.png,a,train\n' + GOOD}, "t.csv", {}),
    "odd-quote": ({"t.csv": HEADER + GOOD + 'img/9.png,"a"b,train\n'}, "t.csv", {}),
    "carriage-returns": ({"t.csv": (HEADER + GOOD).replace("\n", "\r")}, "t.csv", {}),
    "utf-16": ({"t.csv": (HEADER + GOOD).encode("utf-16")}, "t.csv", {}),
    "utf-16-unmarked": ({"t.csv": (HEADER + GOOD).encode("utf-16-le")}, "t.csv", {}),
    "latin-1": ({"t.csv": (HEADER + GOOD + "img/6.png,Käse,train\n").encode("latin-1")}, "t.csv", {}),
    "json": (
        {
            "t.jsonl": '{"path": "img/0.png", "label": "a"}\n{"path": "img/1.png", "label": }\n[1, 2]\n"x"\n'
            '{"path": ["img/2.png"], "label": "a"}\n{"path": "img/3.png", "label": {"a": 1}}\n'
            '{"path": "img/4.png"}\n{"label": "b", "path": null}\n'
        },
        "t.jsonl",
        {},
    ),
    "json-array": ({"t.jsonl": '[{"path": "img/0.png", "label": "a"}]\n'}, "t.jsonl", {}),
    "json-empty": ({"t.jsonl": "\n"}, "t.jsonl", {}),
    "json-document": ({"t.json": "[]"}, "t.json", {}),
    "excel": ({"t.xlsx": "PK"}, "t.xlsx", {}),
    "no-images-folder": ({"t.csv": HEADER + GOOD}, "t.csv", {"images": "photos"}),
    "no-table": ({}, "", {}),
    "two-tables": ({"a.csv": HEADER, "b.csv": HEADER}, "", {}),
    "two-tables-of-a-split": ({"train.csv": HEADER, "training.csv": HEADER}, "", {}),
    "tables-without-training": ({"val.csv": HEADER, "test.csv": HEADER}, "", {}),
    "tables-in-a-file": ({"t.csv": HEADER}, "t.csv", {"train_file": "t.csv"}),
    "not-parquet": ({"t.parquet": "PAR1"}, "t.parquet", {}),
}


def open_table(root, options):
    read = default_options("datasets", "table", PLUGINS, root=root, **options)
    return read.offer.make(read, 0)


@pytest.fixture
def fault(tmp_path):
    """What opening a table raises, as it is printed."""
    (tmp_path / "img").mkdir()
    for number in range(8):
        Image.new("L", (4, 4), number).save(tmp_path / "img" / f"{number}.png")

    def open_(files, root, options):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ArchspecError) as caught:
            open_table(str(tmp_path / root), options)
        return caught.value

    return open_


@pytest.mark.parametrize("name", CASES)
def test_the_message(fault, tmp_path, compare_with_golden, name):
    if name == "not-parquet":
        pytest.importorskip("pyarrow")
    text = fault(*CASES[name]).render().replace(str(tmp_path), "ROOT")
    compare_with_golden(FAULTS / f"{name}.txt", text + "\n")


def test_every_message_has_a_case():
    assert {path.stem for path in FAULTS.glob("*.txt")} == set(CASES)


def test_every_place_is_where_the_value_stands(fault):
    error = fault({"t.csv": "path,label\n" + 'img/0.png,a\n"img/x, y.png","b"\nimg/z.png,b\n'}, "t.csv", {})
    places = [(found.place.line, found.place.column, found.place.length) for found in error.diagnostics]
    assert places == [(3, 1, len('"img/x, y.png"')), (4, 1, len("img/z.png"))]


def test_a_place_in_a_row_of_several_lines(fault):
    error = fault({"t.csv": 'note,path,label\n"one\ntwo",img/x.png,a\n"x\ny\nz",img/1.png,\n'}, "t.csv", {})
    assert isinstance(error, DocumentError)
    place = error.diagnostics[0].place
    assert (place.line, place.column, place.text) == (6, 14, 'z",img/1.png,')


def test_parquet_without_pyarrow(fault, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    error = fault({"t.parquet": "PAR1"}, "t.parquet", {})
    assert "pyarrow is not installed" in error.message
    assert error.help == "pip install 'archspec-nn[tables]'"


def test_a_fault_of_parquet_names_the_row(fault, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"path": ["img/0.png", "img/1.png", None], "label": [1, None, 2]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    error = fault({}, "t.parquet", {})
    told = [(found.message, found.place.line, found.place.column) for found in error.diagnostics]
    assert told == [("the row has no label", 2, 2), ("the row has no path", 3, 1)]
