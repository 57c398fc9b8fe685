"""Which images a table lists, in which split, under which label: held against the csv module and plain counting."""

import csv
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.data.reading import Reading
from archspec.errors import DataError, DocumentError
from archspec.plugins import default_plugins
from archspec.spec.settings import default_options

PLUGINS = default_plugins()


def open_(root, seed=0, **options):
    options = default_options("datasets", "table", PLUGINS, root=str(root), **options)
    return options.offer.make(options, seed)


def listed(data, split):
    """[(path below the images' folder, class)] in the index's order."""
    index = data.splits[split]
    files = [index.file(position).relative_to(index.root).as_posix() for position in range(len(index))]
    return [(file, data.classes[label]) for file, label in zip(files, index.labels, strict=True)]


def rows_of(count, classes=("cat", "dog"), split=None):
    rows = [(f"img/{number:02d}.png", classes[number % len(classes)]) for number in range(count)]
    return [(*row, split) if split else row for row in rows]


def write_csv(path, header, rows, delimiter=",", **encoding):
    with path.open("w", newline="", **encoding) as stream:
        csv.writer(stream, delimiter=delimiter).writerows([header, *rows])
    return path


@pytest.fixture
def folder(tmp_path):
    """A folder with img/00.png to img/39.png, each of its own grey."""
    (tmp_path / "img").mkdir()
    for number in range(40):
        Image.new("L", (6, 4), number * 6).save(tmp_path / "img" / f"{number:02d}.png")
    return tmp_path


SPLIT_ROWS = [*rows_of(20, split="train"), ("img/20.png", "dog", "val"), ("img/21.png", "cat", "Test")]


@pytest.mark.parametrize(
    "header",
    [
        ("path", "label", "split"),
        ("file_name", "class", "set"),
        ("Image", "Category", "Fold"),
        ("image path", "target", "subset"),
        ("filepath", "label", "partition"),
    ],
)
def test_columns_of_usual_names_are_found(folder, header):
    data = open_(write_csv(folder / "t.csv", header, SPLIT_ROWS))
    assert data.classes == ("cat", "dog")
    assert listed(data, "train") == rows_of(20)
    assert listed(data, "validation") == [("img/20.png", "dog")]
    assert listed(data, "test") == [("img/21.png", "cat")]
    assert not data.drawn


def test_columns_are_named_by_options_and_others_do_not_matter(folder):
    rows = [(7, kind, f"img/{number:02d}.png", "x") for number, kind in enumerate("ababab")]
    rows += [(7, kind, f"img/{number:02d}.png", "y") for number, kind in enumerate("ab", start=6)]
    path = write_csv(folder / "t.csv", ("label", "kind", "where", "part"), rows)
    with pytest.raises(DocumentError, match="unknown split 'x'"):
        open_(path, path="where", label="kind", split="part")
    data = open_(path, path="where", label="Kind")
    assert data.classes == ("a", "b")
    assert data.drawn


def test_a_column_of_splits_can_be_left_aside(folder):
    path = write_csv(folder / "t.csv", ("path", "label", "fold"), [(*row, i % 5) for i, row in enumerate(rows_of(40))])
    with pytest.raises(DocumentError, match="unknown split '0'"):
        open_(path)
    data = open_(path, split="none")
    assert {split: len(index) for split, index in data.splits.items()} == {"train": 28, "validation": 6, "test": 6}


def test_of_several_columns_that_may_be_meant_the_choice_is_said(folder):
    path = write_csv(
        folder / "t.csv", ("class", "label", "path"), [(name, "x" + name, path) for path, name in rows_of(20)]
    )
    data = open_(path)
    assert data.classes == ("xcat", "xdog")
    assert data.notes[0] == "of the columns label, class, 'label' is taken as the label"


@pytest.mark.parametrize("kind", ["csv", "semicolons", "tabs", "tsv", "jsonl", "parquet"])
def test_every_format_gives_the_same_images(folder, kind):
    header = ("path", "label", "split")
    if kind == "jsonl":
        path = folder / "t.jsonl"
        path.write_text("".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in SPLIT_ROWS))
    elif kind == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        path = folder / "t.parquet"
        columns = {name: [row[number] for row in SPLIT_ROWS] for number, name in enumerate(header)}
        parquet.write_table(pyarrow.table(columns), path, row_group_size=7)
    else:
        delimiter = {"csv": ",", "semicolons": ";"}.get(kind, "\t")
        path = write_csv(folder / f"t.{'tsv' if kind == 'tsv' else 'csv'}", header, SPLIT_ROWS, delimiter)
    data = open_(path)
    assert listed(data, "train") == rows_of(20)
    assert listed(data, "validation") == [("img/20.png", "dog")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quotes_blank_lines_marks_and_line_ends(folder, encoding, end):
    (folder / "img" / 'a, "b".png').write_bytes((folder / "img" / "00.png").read_bytes())
    lines = ["path,label", '"img/a, ""b"".png","cat, big"', "", "img/01.png,Käse", 'img/02.png,"cat, big"', ""]
    lines += ["img/03.png,Käse", '"img/04.png","Käse"']
    (folder / "t.csv").write_bytes((end.join(lines) + end).encode(encoding))
    data = open_(folder / "t.csv", test=0)
    assert data.classes == ("Käse", "cat, big")
    everything = listed(data, "train") + listed(data, "validation")
    assert ('img/a, "b".png', "cat, big") in everything
    assert len(everything) == 5


@pytest.mark.parametrize(
    "written", ["img\\{}.png", "./img/{}.png", ".\\img\\{}.png", "img/../img/{}.png", " img/{}.png ", "img//{}.png"]
)
def test_paths_are_written_in_several_ways(folder, written):
    rows = [(written.format(f"{number:02d}"), "ab"[number % 2]) for number in range(20)]
    data = open_(write_csv(folder / "t.csv", ("path", "label"), rows))
    paths = [path for split in data.splits for path, _ in listed(data, split)]
    assert sorted(paths) == [f"img/{number:02d}.png" for number in range(20)]
    assert all((folder / path).is_file() for path in paths)


def test_the_images_lie_elsewhere(folder, tmp_path):
    (tmp_path / "tables" / "deep").mkdir(parents=True)
    rows = [(path.removeprefix("img/"), label) for path, label in rows_of(20)]
    path = write_csv(tmp_path / "tables" / "deep" / "t.csv", ("path", "label"), rows)
    for images in ("../../img", str(folder / "img")):
        data = open_(path, images=images)
        assert data.root == path
        assert data.splits["train"].file(0).samefile(folder / "img" / listed(data, "train")[0][0])


def test_pixels_are_those_of_the_row(folder):
    data = open_(write_csv(folder / "t.csv", ("path", "label"), rows_of(20)))
    index = data.splits["train"]
    for position in range(len(index)):
        number = int(index.file(position).stem)
        assert index.read(position, Reading(1)).getpixel((0, 0)) == number * 6
        assert data.classes[index.labels[position]] == ("cat", "dog")[number % 2]


def test_splits_are_drawn_by_the_seed_with_every_class_alike(folder):
    path = write_csv(folder / "t.csv", ("path", "label"), rows_of(40))
    data, again, other = open_(path), open_(path), open_(path, seed=1)
    assert {split: np.bincount(index.labels).tolist() for split, index in data.splits.items()} == {
        "train": [14, 14],
        "validation": [3, 3],
        "test": [3, 3],
    }
    assert data.drawn
    for split in data.splits:
        assert listed(data, split) == listed(again, split) != listed(other, split)
    assert data.notes == (
        "there is no validation split: of 40 images, 6 for validation and 6 for test are kept out of training",
    )
    assert set(open_(path, test=0).splits) == {"train", "validation"}


def test_validation_alone_is_drawn_where_the_table_has_train_and_test(folder):
    rows = [*rows_of(20, split="train"), ("img/20.png", "dog", "test"), ("img/21.png", "cat", "test")]
    data = open_(write_csv(folder / "t.csv", ("path", "label", "split"), rows), validation=0.2)
    assert {split: len(index) for split, index in data.splits.items()} == {"train": 16, "validation": 4, "test": 2}


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "VALID", "test_set"), ("train_labels",) * 1])
def test_a_folder_with_a_table_for_each_split(folder, names):
    for number, name in enumerate(names):
        rows = [(f"img/{i:02d}.png", "ab"[i % 2]) for i in range(10 * number, 10 * number + 10)]
        write_csv(folder / f"{name}.csv", ("path", "label"), rows)
    data = open_(folder)
    assert data.drawn == (len(names) == 1)
    for number, split in enumerate(("train", "validation", "test")[: len(names)]):
        if not data.drawn:
            assert [path for path, _ in listed(data, split)] == [
                f"img/{i:02d}.png" for i in range(10 * number, 10 * number + 10)
            ]


def test_tables_of_splits_are_named_by_options(folder):
    for number, name in enumerate(("one", "two")):
        rows = [(f"img/{i:02d}.png", "ab"[i % 2]) for i in range(10 * number, 10 * number + 10)]
        write_csv(folder / f"{name}.csv", ("path", "label"), rows)
    data = open_(folder, train_file="two.csv", validation_file="one.csv")
    assert listed(data, "train")[0][0] == "img/10.png"
    assert set(data.splits) == {"train", "validation"}


def test_the_one_table_of_a_folder(folder):
    write_csv(folder / "metadata.csv", ("file_name", "label"), rows_of(20))
    assert open_(folder).classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (("b", "a"), ("a", "b")),
        (("10", "9", "2"), ("2", "9", "10")),
        (("1.0", "0.0"), ("0", "1")),
        (("-1", "1"), ("-1", "1")),
        (("007", "7"), ("007", "7")),
        (("10", "9", "none"), ("10", "9", "none")),
        (("1.5x", "2"), ("1.5x", "2")),
        ((" cat", "dog "), ("cat", "dog")),
    ],
)
def test_labels_are_names_or_numbers(folder, labels, classes):
    assert open_(write_csv(folder / "t.csv", ("path", "label"), rows_of(30, labels))).classes == classes


@pytest.mark.parametrize(
    ("labels", "classes"), [((3, 11), ("3", "11")), ((3.0, 11.0), ("3", "11")), ((True, False), ("false", "true"))]
)
def test_labels_of_json_have_types(folder, labels, classes):
    lines = [json.dumps({"label": label, "path": path}) for path, label in rows_of(20, labels)]
    (folder / "t.jsonl").write_text("\n".join(lines))
    assert open_(folder / "t.jsonl").classes == classes


def test_thresholds_make_classes_of_numbers(folder):
    values = [0.2 * number for number in range(20)]  # 0 to 3.8
    rows = [(f"img/{number:02d}.png", value) for number, value in enumerate(values)]
    path = write_csv(folder / "t.csv", ("path", "label"), rows)
    data = open_(path, thresholds=[1, 3])
    assert data.classes == ("<1", "1 to 3", ">=3")
    expected = {f"img/{n:02d}.png": "<1" if v < 1 else "1 to 3" if v < 3 else ">=3" for n, v in enumerate(values)}
    everything = dict(pair for split in data.splits for pair in listed(data, split))
    assert everything == expected
    assert everything["img/05.png"] == "1 to 3"  # 1.0 itself
    named = open_(path, thresholds=[1, 3], class_names=["few", "some", "many"])
    assert named.classes == ("few", "some", "many")
    assert np.array_equal(named.splits["train"].labels, data.splits["train"].labels)


def test_other_splits_are_labelled_by_the_names_of_training(folder):
    rows = [*rows_of(20, ("a", "b", "c"), "train"), ("img/20.png", "c", "val"), ("img/21.png", "b", "val")]
    data = open_(write_csv(folder / "t.csv", ("path", "label", "split"), rows))
    assert data.splits["validation"].labels.tolist() == [2, 1]
    assert data.notes == ("the validation split has no images of a",)


def test_unknown_classes_are_left_out_on_request_and_said(folder):
    rows = [*rows_of(20, split="train"), ("img/20.png", "cow", "val"), ("img/21.png", "dog", "val")]
    rows += [("img/22.png", "cow", "val"), ("img/23.png", "ant", "val")]
    path = write_csv(folder / "t.csv", ("path", "label", "split"), rows)
    data = open_(path, unknown="skip")
    assert data.classes == ("cat", "dog")
    assert listed(data, "validation") == [("img/21.png", "dog")]
    assert data.notes == (
        "the validation split has no images of cat",
        "the validation split has classes that training lacks, cow, ant: 3 images left out",
    )


def test_rows_that_repeat_an_image_count_once(folder):
    """Else one copy might be drawn for validation and the other one trained on."""
    rows = [*rows_of(20), *rows_of(6)]
    data = open_(write_csv(folder / "t.csv", ("path", "label"), rows))
    paths = Counter(path for split in data.splits for path, _ in listed(data, split))
    assert set(paths.values()) == {1}
    assert len(paths) == 20
    assert data.notes[0] == "6 rows repeat images and are left out"


def test_the_flowers_by_a_table_are_the_flowers_by_folders(shared, tmp_path):
    """A table by the csv module of a folder that torchvision's ImageFolder reads as well."""
    root = shared / "data" / "flowers12"
    if not root.is_dir():
        pytest.skip("the data is not here")
    datasets = pytest.importorskip("torchvision.datasets")
    rows = []
    folders = {split: datasets.ImageFolder(root / split) for split in ("train", "test")}
    for split, folder in folders.items():
        rows += [(os.path.relpath(path, root), folder.classes[label], split) for path, label in folder.samples]
    path = write_csv(tmp_path / "flowers.csv", ("image", "class", "split"), rows)
    data = open_(path, images=str(root))
    assert data.classes == tuple(folders["train"].classes)
    assert {split: len(index) for split, index in data.splits.items()} == {
        "train": 612,
        "validation": 108,
        "test": 240,
    }
    test = {str(Path(root, path)): data.classes.index(name) for path, name in listed(data, "test")}
    assert test == dict(folders["test"].samples)


@pytest.mark.parametrize("options", [{"thresholds": [3, 1]}, {"class_names": ["a", "b"]}, {"unknown": "drop"}])
def test_options_that_cannot_be(folder, options):
    with pytest.raises(DocumentError):
        open_(folder / "t.csv", **options)


def test_an_image_that_cannot_be_read_is_named_when_it_is(folder):
    (folder / "img" / "00.png").write_bytes(b"no image")
    data = open_(write_csv(folder / "t.csv", ("path", "label", "split"), SPLIT_ROWS))
    with pytest.raises(DataError, match=r"img/00\.png' cannot be read"):
        data.splits["train"].read(0, Reading(3))
