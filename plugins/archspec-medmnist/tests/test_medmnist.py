"""The data set, on files as MedMNIST's that are written here, and on each way in which a file can be another one."""

import json
import subprocess
import sys

import numpy as np
import pytest
from archspec_medmnist import MedMnistOptions
from archspec_medmnist.classes import CLASSES
from archspec_medmnist.reading import open_file
from PIL import Image

from archspec import Plugins
from archspec.data import Reading
from archspec.errors import DataError
from archspec.testing import check_dataset

SIZES = {"train": 48, "val": 12, "test": 16}
SPEC = """name: cells
input: {channels: 3, size: 28}
stem: {type: conv, filters: 16, kernel: 3, strides: 2}
stages: [{block: basic, filters: 16, strides: 2}]
head: {type: classifier, classes: 2}
"""


def arrays_of(shape=(28, 28, 3), classes=8):
    """Arrays as MedMNIST's: pixels, and labels (N, 1); a class shows as the value of an image's upper half."""
    arrays = {}
    for number, (split, count) in enumerate(SIZES.items()):
        generator = np.random.default_rng(number)
        labels = np.arange(count, dtype=np.uint8) % classes
        images = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
        images[:, : shape[0] // 2] = labels.reshape(-1, *[1] * len(shape)) * 30
        arrays |= {f"{split}_images": images, f"{split}_labels": labels[:, None]}
    return arrays


@pytest.fixture
def write(tmp_path):
    def write(name="bloodmnist.npz", **changed):
        kept = {key: array for key, array in {**arrays_of(), **changed}.items() if array is not None}
        np.savez_compressed(tmp_path / name, **kept)
        return tmp_path / name

    return write


def refusal(path, **options):
    with pytest.raises(DataError) as caught:
        open_file(MedMnistOptions(root=str(path), **options))
    assert caught.value.file == str(path)
    return f"{caught.value.message}; {caught.value.help or ''}"


@pytest.mark.parametrize("shape", [(28, 28, 3), (28, 28), (12, 10, 1)])
def test_the_data_set(write, shape):
    check_dataset("medmnist", options={"root": str(write(**arrays_of(shape)))})


def test_it_is_found_by_its_entry_point():
    assert Plugins().find("datasets", "medmnist").origin == "archspec-medmnist 0.1.0"


def test_pixels_labels_and_names_are_the_files(write):
    path, arrays = write(), arrays_of()
    data = open_file(MedMnistOptions(root=str(path.parent)))
    assert {split: len(index) for split, index in data.splits.items()} == {"train": 48, "validation": 12, "test": 16}
    assert data.classes == CLASSES["bloodmnist"]
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        index = data.splits[split]
        assert index.labels.tolist() == arrays[f"{name}_labels"].ravel().tolist()
        assert (np.asarray(index.read(5, Reading(3))) == arrays[f"{name}_images"][5]).all()
    assert data.splits["validation"].name(5) == f"{path}/val[5]"


def test_grey_images_are_read_as_the_network_wants_them(write):
    arrays = arrays_of((28, 28))
    index = open_file(MedMnistOptions(root=str(write(**arrays)))).splits["train"]
    assert (np.asarray(index.read(7, Reading(1))) == arrays["train_images"][7]).all()
    assert index.read(7, Reading(3)).tobytes() == Image.fromarray(arrays["train_images"][7]).convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("name", "options", "classes"),
    [
        ("bloodmnist_64.npz", {}, CLASSES["bloodmnist"]),
        ("mine.npz", {}, tuple("01234567")),
        ("mine.npz", {"classes": tuple("abcdefgh")}, tuple("abcdefgh")),
    ],
)
def test_names_of_classes(write, name, options, classes):
    assert open_file(MedMnistOptions(root=str(write(name)), **options)).classes == classes


def test_the_names_are_those_of_the_medmnist_package():
    info = pytest.importorskip("medmnist.info").INFO
    for name, classes in CLASSES.items():
        assert tuple(info[name]["label"].values()) == classes


def test_a_file_of_a_folder(write):
    path = write("a.npz")
    write("b.npz", **arrays_of(classes=4))
    folder = str(path.parent)
    for file, classes in (("a.npz", 8), ("b.npz", 4), ("b", 4)):
        assert len(open_file(MedMnistOptions(root=folder, file=file)).classes) == classes
    said = refusal(folder)
    assert "has 2 .npz files; it has a.npz, b.npz: say which, as `--set data.file=a.npz`" in said
    assert refusal(folder, file="c") == f"there is no file 'c' in '{folder}'; it has a.npz, b.npz"


def test_no_file(tmp_path):
    assert "has no .npz files; the files are at" in refusal(tmp_path)
    assert "there is no file or folder" in refusal(tmp_path / "gone")
    assert "there is no folder" in refusal(tmp_path / "gone", file="a.npz")


@pytest.mark.parametrize("array", sorted(arrays_of()))
def test_a_missing_array_is_named(write, array):
    assert f"bloodmnist.npz' has no array '{array}'; it has " in refusal(write(**{array: None}))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"val_labels": np.zeros((12, 14), np.uint8)}, "'val_labels' of '{path}' has 14 labels for each image"),
        ({"train_images": np.zeros((48, 28, 28, 28), np.uint8)}, "is (48, 28, 28, 28), no flat images; its images are"),
        ({"train_images": np.zeros((48, 28), np.uint8)}, "is (48, 28), and images are (N, height, width)"),
        ({"test_images": np.zeros((16, 28, 28))}, "'test_images' of '{path}' is of float64, and pixels are uint8"),
        ({"test_images": np.zeros((0, 28, 28), np.uint8), "test_labels": np.zeros(0, int)}, "is empty"),
        ({"val_labels": np.zeros(11, np.uint8)}, "'val_labels' of '{path}' is (11,), and there are 12 images"),
        ({"val_labels": np.zeros(12)}, "'val_labels' of '{path}' is of float64, and labels are whole numbers"),
        ({"val_labels": np.full(12, 8)}, "'val_labels' of '{path}' has the label 8, and labels go from 0 to 7"),
        ({"test_labels": np.full(16, -1)}, "'test_labels' of '{path}' has the label -1, and labels"),
        ({"train_labels": np.arange(48) % 7}, "has no image of the class 7, of 8 classes; what no image shows"),
        ({"train_labels": np.array([*range(47), 10**9]) % 8 + 1}, "has no image of the class 0, of 8 classes"),
        ({"train_labels": np.array([None] * 48)}, "cannot be read as an archive of NumPy's arrays"),
    ],
)  # fmt: skip
def test_what_is_refused(write, changed, said):
    path = write(**changed)
    assert said.format(path=path) in refusal(path)


def test_what_is_refused_of_unknown_classes(write):
    huge = np.arange(48) % 3
    huge[0] = 2**62
    assert "has no image of the class 3" in refusal(write("mine.npz", train_labels=huge))
    assert "has one class" in refusal(write("mine.npz", train_labels=np.zeros(48, int)))
    path = write("mine.npz")
    assert "of 9 classes; give `classes` as many names as there are" in refusal(path, classes=tuple("abcdefghi"))
    assert "two of the `classes` of" in refusal(path, classes=tuple("aabcdefg"))


@pytest.mark.parametrize("damage", ["cut short", "text", "one array"])
def test_a_damaged_file(write, damage):
    path = write()
    good = path.read_bytes()
    if damage == "one array":
        with path.open("wb") as stream:
            np.save(stream, np.zeros(3))
    else:
        path.write_bytes({"cut short": good[: len(good) // 2], "text": b"no archive"}[damage])
    assert f"'{path}' cannot be read as an archive of NumPy's arrays: " in refusal(path)


def test_a_file_with_one_wrong_byte(write):
    """Wherever it is: a header of the archive, the name of an array, or within the compressed pixels."""
    path = write()
    good = path.read_bytes()
    refused = 0
    for place in range(0, len(good), len(good) // 60):
        path.write_bytes(good[:place] + bytes([good[place] ^ 255]) + good[place + 1 :])
        try:
            open_file(MedMnistOptions(root=str(path)))
        except DataError as error:
            refused += str(path) in error.message
    assert refused > 50


def archspec(*arguments, folder):
    code = "import sys; from archspec.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=folder)


def test_a_run_learns_from_a_file(write, tmp_path):
    path = write()
    (tmp_path / "cells.yaml").write_text(SPEC)
    arguments = ["--data", f"medmnist:{path}", "--epochs", "4", "--batch-size", "16", "--workers", "0", "--lr", "0.1"]
    done = archspec("train", "cells.yaml", *arguments, "--out", "run", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    epochs = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]
    done = archspec("eval", "run", "--split", "test", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["images"] == 16


def test_a_refused_file_ends_a_command_with_one_message(write, tmp_path):
    path = write(train_labels=None)
    (tmp_path / "cells.yaml").write_text(SPEC)
    done = archspec("train", "cells.yaml", "--data", f"medmnist:{path}", "--out", "run", folder=tmp_path)
    assert done.returncode == 1
    assert "has no array 'train_labels'" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
