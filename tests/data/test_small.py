"""The digits, against scikit-learn's own; and noise, which is the same every time."""

import numpy as np
import pytest

from archspec.data.reading import Reading
from archspec.data.small import make_noise
from archspec.errors import DataError
from archspec.plugins import default_plugins
from archspec.spec.settings import default_options

PLUGINS = default_plugins()


def open_(name, seed=0, **options):
    options = default_options("datasets", name, PLUGINS, **options)
    return options.offer.make(options, seed)


def test_the_digits_are_scikit_learns():
    source = pytest.importorskip("sklearn.datasets").load_digits()
    data = open_("digits")
    assert data.classes == tuple("0123456789")
    assert sum(len(index) for index in data.splits.values()) == 1797
    for index in data.splits.values():
        for position in range(0, len(index), 50):
            number = int(index.numbers[position])
            pixels = np.asarray(index.read(position, Reading(1)))
            assert np.array_equal(np.rint(pixels / 255 * 16), source.images[number])
            assert index.labels[position] == source.target[number]
    assert max(int(np.asarray(data.splits["train"].read(p, Reading(1))).max()) for p in range(5)) == 255


def test_the_digits_are_split_by_the_shares_and_the_seed():
    pytest.importorskip("sklearn")
    data, other = open_("digits", validation=0.25, test=0.1), open_("digits", seed=1, validation=0.25, test=0.1)
    assert len(data.splits["validation"]) == pytest.approx(0.25 * 1797, abs=6)
    assert len(data.splits["test"]) == pytest.approx(0.1 * 1797, abs=6)
    assert data.splits["test"].fingerprint() != other.splits["test"].fingerprint()


def test_the_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(DataError) as caught:
        open_("digits")
    assert caught.value.render() == (
        "error: the digits come with scikit-learn, which is not installed\n  help: pip install 'archspec-nn[samples]'"
    )


def test_noise_is_a_function_of_its_number():
    data, again = open_("fake", images=50, classes=4, size=12), open_("fake", seed=9, images=50, classes=4, size=12)
    assert {split: len(index) for split, index in data.splits.items()} == {"train": 50, "validation": 5, "test": 5}
    pictures = set()
    for split, index in data.splits.items():
        assert np.array_equal(index.labels, np.arange(len(index)) % 4)
        assert index.fingerprint() == again.splits[split].fingerprint()
        for position in range(len(index)):
            image = index.read(position, Reading(3))
            assert image.size == index.size(position) == (12, 12)
            assert image.tobytes() == again.splits[split].read(position, Reading(3)).tobytes()
            pictures.add(image.tobytes())
    assert len(pictures) == 60
    other = open_("fake", images=50, classes=4, size=12, seed=0).splits["train"]
    assert other.fingerprint() == data.splits["train"].fingerprint()


def test_another_seed_of_noise_is_other_noise():
    one, two = (make_noise(10, 2, 8, seed).splits["train"] for seed in (0, 1))
    assert one.fingerprint() != two.fingerprint()
    assert one.read(0, Reading(3)).tobytes() != two.read(0, Reading(3)).tobytes()


def test_classes_of_noise_can_be_told_apart():
    """The class is the mean colour, so that a benchmark's network has something to learn."""
    index = make_noise(200, 20, 16, 0).splits["train"]
    means = np.array([np.asarray(index.read(p, Reading(3))).mean((0, 1)) for p in range(200)])
    centres = np.array([means[index.labels == label].mean(0) for label in range(20)])
    nearest = ((means[:, None] - centres) ** 2).sum(2).argmin(1)
    assert (nearest == index.labels).mean() > 0.95


def test_ten_million_images_of_noise_are_numbers_alone():
    data = make_noise(10_000_000, 1000, 224, 0)
    assert len(data.splits["train"]) == 10_000_000
    assert data.classes[7] == "class-007"
    assert data.splits["train"].read(9_999_999, Reading(1)).size == (224, 224)


def test_there_is_an_image_of_every_class():
    data = make_noise(2, 7, 4, 0)
    assert {split: len(index) for split, index in data.splits.items()} == {"train": 7, "validation": 7, "test": 7}
