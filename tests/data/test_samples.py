"""The handwritten digits, against scikit-learn's own."""

import contextlib

import numpy as np
import pytest
from PIL import Image

from archspec.cli.app import run
from archspec.data.folder import open_folder
from archspec.plugins import default_plugins
from archspec.spec.settings import default_options

datasets = pytest.importorskip("sklearn.datasets")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits") / "data"
    plugins = default_plugins()
    counts = plugins.find("samples", "digits").make(default_options("samples", "digits", plugins), folder)
    return folder, counts


def test_every_digit_is_written_once_in_one_split(digits):
    folder, counts = digits
    written = sorted(int(path.stem) for path in folder.glob("*/*/*.png"))
    assert written == list(range(1797))
    assert sum(counts.values()) == 1797
    for split, count in counts.items():
        assert len(list((folder / split).glob("*/*.png"))) == count
    assert counts["validation"] == pytest.approx(0.15 * 1797, abs=10)
    assert counts["test"] == pytest.approx(0.15 * 1797, abs=10)


def test_every_digit_shows_what_scikit_learn_has_and_lies_with_its_own_kind(digits):
    source = datasets.load_digits()
    for path in list(digits[0].glob("*/*/*.png"))[::37]:
        number = int(path.stem)
        assert path.parent.name == str(source.target[number])
        image = Image.open(path)
        assert image.size == (32, 32)
        small = np.asarray(image.resize((8, 8), Image.Resampling.BOX))
        assert np.corrcoef(small.ravel(), source.images[number].ravel())[0, 1] > 0.95


def test_the_folder_can_be_opened_with_its_ten_classes(digits):
    data = open_folder(digits[0], 0.15, 0.15, 0)
    assert data.classes == tuple("0123456789")
    assert {split: len(index) for split, index in data.splits.items()} == digits[1]
    assert data.notes == ()
    for index in data.splits.values():
        counts = np.bincount(index.labels)
        assert counts.max() / counts.min() < 1.2


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path, capsys):
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    assert run(["data", "sample", "digits", str(tmp_path)]) == 1
    assert f"error: '{tmp_path}' exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_file_is_refused(tmp_path, capsys):
    (tmp_path / "data").write_bytes(b"mine")
    assert run(["data", "sample", "digits", str(tmp_path / "data")]) == 1
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "data").read_bytes() == b"mine"


@pytest.mark.parametrize("place", [".", "empty"])
def test_an_empty_folder_is_filled(tmp_path, monkeypatch, place):
    (tmp_path / "work" / "empty").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / ("empty" if place == "." else "."))
    assert run(["data", "sample", "digits", place]) == 0
    assert len(list((tmp_path / "work" / "empty").glob("*/*/*.png"))) == 1797


def test_nothing_half_written_is_left_when_the_writing_fails(tmp_path, monkeypatch):
    """The disk is full after 100 images."""
    saved = []
    save = Image.Image.save

    def fail_late(image, path, *arguments, **options):
        saved.append(path)
        if len(saved) > 100:
            raise OSError(28, "No space left on device")
        save(image, path, *arguments, **options)

    monkeypatch.setattr(Image.Image, "save", fail_late)
    with contextlib.suppress(OSError):  # the way it ends is not what is tested here
        assert run(["data", "sample", "digits", str(tmp_path / "data")]) == 1
    assert len(saved) == 101
    assert list(tmp_path.iterdir()) == []
