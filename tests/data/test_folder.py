"""Which images a folder holds, in which split, under which label."""

import sys
import unicodedata

import numpy as np
import pytest
from PIL import Image

from archspec.data.folder import open_folder
from archspec.data.walk import SUFFIXES


def open_(root, validation=0.15, test=0.15, seed=0, unknown="error"):
    return open_folder(root, validation, test, seed, unknown)


def files(data, split):
    index = data.splits[split]
    return [index.file(position) for position in range(len(index))]


def labelled(data, split):
    """{path relative to the root: class name}."""
    return {
        str(path.relative_to(data.root)): data.classes[label]
        for path, label in zip(files(data, split), data.splits[split].labels, strict=True)
    }


@pytest.mark.parametrize("train", ["train", "Train", "TRAINING", "training_set", "train-images"])
@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val", "VALIDATION", "dev", "eval", "valid_set"])
def test_split_folders_are_known_by_their_usual_names_in_any_case(make_folder, train, validation):
    root = make_folder(
        {f"{train}/b": 2, f"{train}/a": 3, f"{validation}/a": 1, f"{validation}/b": 2, "Test/a": 1, "Test/b": 3}
    )
    data = open_(root)
    assert data.classes == ("a", "b")
    assert {split: len(index) for split, index in data.splits.items()} == {"train": 5, "validation": 3, "test": 4}
    assert data.notes == ()


def test_every_image_is_labelled_by_its_own_folder(make_folder):
    data = open_(make_folder({"train/x": 3, "train/y": 2, "train/z": 4, "val/x": 1, "val/y": 1, "val/z": 1}))
    for split in data.splits:
        for path, name in labelled(data, split).items():
            assert path.replace("\\", "/").split("/")[1] == name
        assert all(path.is_file() for path in files(data, split))


def test_a_split_is_labelled_by_the_names_of_training_and_says_which_class_it_lacks(make_folder):
    data = open_(make_folder({"train/a": 2, "train/b": 2, "train/c": 2, "val/c": 2, "test/b": 1, "test/a": 1}))
    assert data.splits["validation"].labels.tolist() == [2, 2]
    assert data.splits["test"].labels.tolist() == [0, 1]
    assert data.notes == (
        "the validation split has no images of a, b",
        "the test split has no images of c",
    )


def test_a_folder_of_classes_is_split_with_every_class_alike(make_folder):
    data = open_(make_folder({"a": 20, "b": 40}))
    counts = {split: np.bincount(index.labels).tolist() for split, index in data.splits.items()}
    assert counts == {"train": [14, 28], "validation": [3, 6], "test": [3, 6]}  # 15 % of 20 and of 40
    everything = [path for split in data.splits for path in files(data, split)]
    assert len(everything) == len(set(everything)) == 60


def test_the_split_depends_on_the_seed_and_on_nothing_else(make_folder):
    root = make_folder({"a": 20, "b": 20})
    first, again, other = open_(root, seed=1), open_(root, seed=1), open_(root, seed=2)
    for split in first.splits:
        assert files(first, split) == files(again, split)
        assert files(first, split) != files(other, split)


def test_a_split_is_not_the_first_images_of_a_class(make_folder):
    names = {path.name for path in files(open_(make_folder({"a": 40, "b": 40})), "validation")}
    assert names != {f"{number:03d}.png" for number in range(6)}


def test_every_class_keeps_a_training_image_and_gives_a_validation_image(make_folder):
    data = open_(make_folder({"a": 2, "b": 3, "c": 30}))
    assert np.bincount(data.splits["train"].labels).min() >= 1
    assert np.bincount(data.splits["validation"].labels).min() >= 1


def test_validation_is_taken_from_training_where_there_is_none_and_a_note_says_so(make_folder):
    data = open_(make_folder({"train/a": 20, "train/b": 20, "test/a": 2, "test/b": 2}), validation=0.25)
    assert {split: len(index) for split, index in data.splits.items()} == {"train": 30, "validation": 10, "test": 4}
    assert not set(files(data, "train")) & set(files(data, "validation"))
    assert all("train" in path.parts for path in files(data, "validation"))
    assert len(data.notes) == 1
    assert "no validation split" in data.notes[0]
    assert "40 images" in data.notes[0]
    assert "10 for validation" in data.notes[0]


def test_training_folders_alone_give_no_test_split(make_folder):
    data = open_(make_folder({"train/a": 10, "train/b": 10}))
    assert set(data.splits) == {"train", "validation"}


def test_the_shares_are_the_callers(make_folder):
    data = open_(make_folder({"a": 20, "b": 20}), validation=0.4, test=0)
    assert {split: len(index) for split, index in data.splits.items()} == {"train": 24, "validation": 16}


def test_images_in_nested_folders_belong_to_the_class_above(make_folder):
    data = open_(make_folder({"train/a/2023/may": 2, "train/a": 1, "train/b": 1, "val/a/x": 1, "val/b": 1}))
    assert sorted(data.splits["train"].labels.tolist()) == [0, 0, 0, 1]
    assert data.splits["validation"].labels.tolist() == [0, 1]


def test_hidden_files_and_folders_are_left_out(make_folder):
    root = make_folder({"train/a": 2, "train/b": 2, "train/.cache": 2, "train/a/.thumbs": 2, ".git/x": 1, "val/a": 1})
    (root / "train/a/._000.png").write_bytes(b"a resource fork of macOS")
    (root / "train/.DS_Store").write_bytes(b"x")
    data = open_(root)
    assert data.classes == ("a", "b")
    assert len(data.splits["train"]) == 4


def test_suffixes_count_in_any_case_and_other_files_do_not_count(make_folder):
    root = make_folder({"train/a": 1, "train/b": 1, "val/a": 1, "val/b": 1})
    for name in ("x.JPG", "x.Jpeg", "x.PNG", "x.webp", "x.BMP", "x.tif"):
        (root / "train/a" / name).write_bytes(b"x")
    for name in ("readme.txt", "labels.csv", "Thumbs.db", "png"):
        (root / "train/a" / name).write_bytes(b"x")
    assert np.bincount(open_(root).splits["train"].labels).tolist() == [7, 1]


def test_names_need_no_ascii(make_folder):
    data = open_(make_folder({"train/Käse": 1, "train/チーズ": 1, "val/Käse": 1, "val/チーズ": 1}))
    assert set(data.classes) == {"Käse", "チーズ"}
    assert all(path.is_file() for path in files(data, "train"))


def test_relabelling_matches_classes_by_name(make_folder):
    data = open_(make_folder({"train/a": 2, "train/c": 1, "val/a": 1, "val/c": 1}))
    assert data.splits["train"].relabel(data.classes, ("c", "b", "a")).labels.tolist() == [2, 2, 0]
    assert data.splits["train"].labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize("split", ["val", "test"])
def test_unknown_classes_are_left_out_on_request_and_said(make_folder, split):
    layout = {"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 1, "test/a": 1, "test/b": 1, f"{split}/zebra": 3}
    data = open_(make_folder(layout), unknown="skip")
    assert data.classes == ("a", "b")
    long = {"val": "validation"}.get(split, split)
    assert data.splits[long].labels.tolist() == [0, 1]
    assert data.notes == (f"the {long} split has classes that training lacks, zebra: 3 images left out",)


def test_an_empty_folder_of_an_unknown_class_is_said(make_folder):
    data = open_(make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 1, "val/zebra": 0}))
    assert data.notes == ("the validation split has classes that training lacks, zebra: without images",)


def test_what_systems_leave_behind_is_no_class(make_folder):
    root = make_folder({"a": 20, "b": 20, "__MACOSX/a": 3, "@eaDir/a": 2, "$RECYCLE.BIN": 1})
    assert open_(root).classes == ("a", "b")
    root = make_folder(
        {"train/a": 2, "train/b": 2, "train/__MACOSX": 1, "val/a": 1, "val/b": 1, "__MACOSX/x": 1}, "two"
    )
    (root / "train" / "a" / "Thumbs.db").write_bytes(b"x")
    data = open_(root)
    assert data.classes == ("a", "b")
    assert data.notes == ()


def test_folders_beside_the_splits_and_images_outside_of_classes_are_said(make_folder):
    root = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 1, "extra/a": 2, "": 1, "train": 3, "val": 1})
    where = "itself, in no class folder, and"
    assert open_(root).notes == (
        "beside the splits, extra is left out",
        f"1 image lies in '{root}' {where} is left out",
        f"3 images lie in '{root / 'train'}' {where} are left out",
        f"1 image lies in '{root / 'val'}' {where} is left out",
    )


def test_a_class_may_be_called_train_or_test(make_folder):
    """Trains, as in the classes of COCO."""
    data = open_(make_folder({"bus": 10, "train": 10, "car": 10}))
    assert data.classes == ("bus", "car", "train")
    assert open_(make_folder({"bus": 10, "test": 10}, "two")).classes == ("bus", "test")


def test_names_are_one_whether_their_accents_are_composed_or_not(make_folder):
    """macOS writes an `ä` as two characters, and a split may come from there."""
    apart = unicodedata.normalize("NFD", "Käse")
    data = open_(make_folder({f"train/{apart}": 2, "train/b": 2, "val/Käse": 1, "val/b": 1}))
    assert set(data.classes) == {"Käse", "b"}
    assert len(data.splits["validation"]) == 2


def test_links_to_folders_and_files_are_followed(make_folder):
    elsewhere = make_folder({"more/deep": 3, "one": 1}, "elsewhere")
    root = make_folder({"train/a": 1, "train/b": 1, "val/a": 1, "val/b": 1})
    (root / "train" / "c").symlink_to(elsewhere / "more")
    (root / "train" / "a" / "inner").symlink_to(elsewhere / "more")
    (root / "train" / "b" / "linked.png").symlink_to(elsewhere / "one" / "000.png")
    data = open_(root)
    assert np.bincount(data.splits["train"].labels).tolist() == [4, 2, 3]
    assert all(path.is_file() for path in files(data, "train"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_names_of_images_need_no_unicode(make_folder):
    root = make_folder({"train/a": 1, "train/b": 1, "val/a": 1, "val/b": 1})
    (root / "train" / "a" / "000.png").rename(root / "train" / "a" / "caf\udce9.png")
    data = open_(root)
    assert data.splits["train"].file(0).is_file()


def test_every_suffix_that_pillow_opens_counts():
    """But for documents, films and scientific files, of which Pillow shows a page, a frame or a plane at most."""
    Image.init()
    no_photos = {".pdf", ".eps", ".ps", ".mpg", ".mpeg", ".emf", ".wmf", ".iim", ".ftc", ".ftu", ".gbr", ".pcd", ".pxr"}
    no_photos |= {".fit", ".fits", ".h5", ".hdf", ".grib", ".bufr", ".fpx", ".mic", ".im", ".ras", ".palm", ".wal"}
    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    assert known - set(SUFFIXES) <= no_photos
    assert {".jpg", ".heic", ".tiff"} <= set(SUFFIXES)


def test_the_classes_and_labels_are_those_of_torchvisions_image_folder(shared):
    root = shared / "data" / "clothing"
    if not root.is_dir():
        pytest.skip("the data is not here")
    datasets = pytest.importorskip("torchvision.datasets")
    data = open_(root)
    for split in ("train", "validation", "test"):
        theirs = datasets.ImageFolder(root / split)
        assert data.classes == tuple(theirs.classes)
        ours = dict(zip(map(str, files(data, split)), data.splits[split].labels.tolist(), strict=True))
        assert ours == dict(theirs.samples)
    assert data.notes == ()
