"""A folder that cannot be used: what is said, and which path is named."""

import pytest

from archspec.data.folder import open_folder
from archspec.errors import DataError


def fault(root, unknown="error"):
    with pytest.raises(DataError) as caught:
        open_folder(root, 0.15, 0.15, 0, unknown)
    return caught.value


def test_a_folder_that_does_not_exist(tmp_path):
    error = fault(tmp_path / "nowhere")
    assert error.message == f"the data folder '{tmp_path / 'nowhere'}' does not exist"
    assert error.file == str(tmp_path / "nowhere")
    assert "train/CLASS" in error.help


def test_a_file(tmp_path):
    (tmp_path / "images.zip").write_bytes(b"PK")
    assert (
        fault(tmp_path / "images.zip").message == f"the data folder '{tmp_path / 'images.zip'}' is a file, not a folder"
    )


@pytest.mark.parametrize("inside", ["", "train"])
def test_an_empty_folder(tmp_path, inside):
    (tmp_path / inside).mkdir(exist_ok=True)
    error = fault(tmp_path)
    assert error.message == f"the data folder '{tmp_path / inside}' holds no class folders"
    assert error.file == str(tmp_path / inside)


def test_images_without_class_folders(make_folder):
    root = make_folder({"": 5})
    assert fault(root).message == f"the data folder '{root}' holds no class folders, only images"


@pytest.mark.parametrize("layout", [{"only": 5}, {"train/only": 5, "val/only": 2}])
def test_one_class(make_folder, layout):
    root = make_folder(layout)
    error = fault(root)
    assert "has one class, 'only'" in error.message
    assert str(root) in error.message


@pytest.mark.parametrize("prefix", ["", "train/"])
def test_a_class_folder_without_images(make_folder, prefix):
    root = make_folder({f"{prefix}a": 2, f"{prefix}b": 2, f"{prefix}empty": 0})
    (root / f"{prefix}empty" / "notes.txt").write_text("no image")
    error = fault(root)
    assert error.message == f"the class folder '{root / prefix / 'empty'}' holds no images"
    assert error.file == str(root / prefix / "empty")


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_class_that_training_lacks(make_folder, split):
    root = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, f"{split}/zebra": 1})
    error = fault(root)
    assert str(root / split / "zebra") in error.message
    assert error.file == str(root / split / "zebra")
    known = "the training split's classes are a, b"
    assert error.help == f"{known}; or leave such images out: --set data.unknown=skip"


def test_a_split_without_images(make_folder):
    root = make_folder({"train/a": 2, "train/b": 2, "val/a": 0, "val/b": 0})
    assert f"'{root / 'val'}' holds no images" in fault(root).message


def test_two_folders_of_one_split(make_folder):
    root = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "valid/a": 1})
    message = fault(root).message
    assert str(root / "val") in message
    assert str(root / "valid") in message


def test_splits_without_training_are_not_taken_for_classes(make_folder):
    """Else a network would learn to tell `test` from `val`."""
    root = make_folder({"val/cat": 3, "val/dog": 3, "test/cat": 3, "test/dog": 3})
    assert "train" in fault(root).message


@pytest.mark.parametrize(
    "layout", [{"cat": 3, "dog": 3, "test/cat": 2, "test/dog": 2}, {"images/cat": 3, "val/cat": 3, "test/cat": 3}]
)
def test_a_split_beside_classes_is_no_class(make_folder, layout):
    root = make_folder(layout)
    assert "and no train folder" in fault(root).message


def test_a_misspelt_class_gets_a_guess(make_folder):
    root = make_folder({"train/tulip": 2, "train/rose": 2, "val/Tulip": 1, "val/rose": 1})
    assert fault(root).help == (
        "did you mean 'tulip'? the training split's classes are rose, tulip; "
        "or leave such images out: --set data.unknown=skip"
    )


def test_a_split_of_unknown_classes_alone(make_folder):
    root = make_folder({"train/a": 2, "train/b": 2, "val/zebra": 1})
    assert fault(root, "skip").message == f"the validation split '{root / 'val'}' holds no images of a known class"


@pytest.mark.parametrize("target", [".", "..", "../.."])
def test_a_link_that_leads_back_is_named(make_folder, target):
    root = make_folder({"train/a/deep": 2, "train/b": 2, "val/a": 1, "val/b": 1})
    (root / "train" / "a" / "deep" / "loop").symlink_to(target)
    assert fault(root).message.endswith("leads back to a folder that holds it")


def test_a_link_to_itself_is_no_folder(make_folder):
    root = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 1})
    (root / "train" / "a" / "loop").symlink_to("loop")
    assert len(open_folder(root, 0.15, 0.15, 0).splits["train"]) == 4


def test_a_link_that_leads_nowhere_is_an_image_that_is_not_there(make_folder):
    root = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "val/b": 1})
    (root / "train" / "a" / "gone.png").symlink_to(root / "nowhere.png")
    index = open_folder(root, 0.15, 0.15, 0).splits["train"]
    with pytest.raises(DataError, match=r"there is no image '.*gone\.png'"):
        index.size(2)


def test_too_few_images_to_keep_any_for_validation(make_folder):
    """Else the first epoch ends in a division by zero."""
    root = make_folder({"a": 1, "b": 1})
    assert str(root) in fault(root).message


def test_relabelling_refuses_a_class_that_the_network_does_not_know(make_folder):
    data = open_folder(make_folder({"train/a": 1, "train/b": 1, "val/a": 1}), 0.15, 0.15, 0)
    with pytest.raises(DataError, match="not trained on: b"):
        data.splits["train"].relabel(data.classes, ("a", "c"))
    assert data.splits["validation"].relabel(data.classes, ("c", "a")).labels.tolist() == [1]
