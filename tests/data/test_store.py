"""A store gives the pixels that there are without it, survives restarts, and is used only when it is whole."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from archspec.data import arrays
from archspec.data.augmentation import reduction_before
from archspec.data.cached import store_for_evaluation, store_for_training
from archspec.data.folder import open_folder
from archspec.data.loader import Loader
from archspec.data.preprocessing import preprocessing_for
from archspec.data.reading import Reading, Reduction
from archspec.data.transforms import EvaluationTransform, TrainTransform, as_pixels
from archspec.errors import DataError
from archspec.plugins import Plugins
from archspec.spec.arch import InputSpec
from archspec.spec.settings import default_options

SETTINGS = preprocessing_for(InputSpec(size=(12, 12)), 1.0, None, None)
AUGMENTATION = default_options("transforms", "standard", Plugins(installed=False))
REDUCTION = reduction_before(AUGMENTATION, SETTINGS)
HOW = {"in_memory": False, "skip_unreadable": False}
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("ARCHSPEC_CACHE", str(folder))
    return folder / "images"


@pytest.fixture
def index(tmp_path):
    """19 photos of several sizes, larger than the network needs."""
    for number in range(20):
        folder = tmp_path / "photos" / ("train" if number else "val") / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (60 + number, 90 - number, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    return open_folder(tmp_path / "photos", 0.15, 0.15, 0).splits["train"]


def stored(index, **how):
    return store_for_training(index, Reading(3), REDUCTION, **{**HOW, **how})


def epoch_of(index, epoch=0, workers=0, transform=None):
    loader = Loader(
        index,
        Reading(3),
        transform or TrainTransform(SETTINGS, AUGMENTATION),
        batch_size=6,
        shuffle=True,
        seed=3,
        workers=workers,
    )
    return torch.cat([batch.images for batch in loader.epoch(epoch)])


def finished(cache):
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".filling"))


def wait_for_seal(index):
    thread = index.source.store._sealing
    if thread is not None:
        thread.join()


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_pixels_are_the_same_while_it_fills_and_after(index, workers, in_memory):
    first = stored(index, in_memory=in_memory)
    filling = epoch_of(first, workers=workers)
    wait_for_seal(first)
    again = stored(index, in_memory=in_memory)
    assert again.source.plan.complete == (not in_memory)
    assert torch.equal(epoch_of(again, workers=workers), filling)
    assert torch.equal(epoch_of(first, workers=0), filling)


def test_a_complete_store_is_not_made_again(index, cache):
    first = stored(index)
    epoch_of(first)
    wait_for_seal(first)
    (name,) = finished(cache)
    for position in range(len(index)):
        file = index.file(position)
        stamp = file.stat()
        file.write_bytes(b"x" * stamp.st_size)  # were it read again, it would be an error
        os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    plan = first.source.plan
    assert (plan.path, plan.complete) == (cache / name, True)
    first.source.store = None
    assert len(epoch_of(first)) == 18  # but the single one that an epoch leaves out


def test_a_file_that_changed_or_another_setting_is_another_store(index):
    paths = {stored(index).source.plan.path}
    file = index.file(0)
    stamp = file.stat()
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    paths.add(stored(index).source.plan.path)
    for reduction in (Reduction((12, 12), 0.4, (0.75, 4 / 3)), Reduction((13, 12), 0.5, (0.75, 4 / 3))):
        paths.add(store_for_training(index, Reading(3), reduction, **HOW).source.plan.path)
    paths.add(store_for_training(index, Reading(1), REDUCTION, **HOW).source.plan.path)
    assert len(paths) == 5


def test_no_crop_is_enlarged_more_than_half_as_much_again():
    """By hand: the smallest part of 400x300 at area 0.5 is 212 px wide (ratio 3/4), which may become 12 / 1.5 = 8."""
    width, height = Reduction((12, 12), 0.5, (0.75, 4 / 3)).least(400, 300)
    narrowest = (0.5 * 400 * 300 * 0.75) ** 0.5
    assert narrowest * width / 400 == pytest.approx(12 / 1.5, rel=0.1)
    assert 12 / (narrowest * width / 400) <= 1.5
    assert (width / height) == pytest.approx(400 / 300, rel=0.1)
    assert Reduction((224, 224), 0.5, (0.75, 4 / 3)).least(200, 150) == (200, 150)


def test_evaluation_keeps_the_finished_pixels(index):
    transform = EvaluationTransform(SETTINGS)
    kept = store_for_evaluation(index, SETTINGS, **HOW)
    for _ in range(2):
        loader = Loader(kept, Reading(3), as_pixels, batch_size=6)
        found = torch.cat([batch.images for batch in loader.epoch()])
        wanted = [transform(index.read(position, SETTINGS.reading)) for position in range(len(index))]
        assert (found.permute(0, 2, 3, 1).numpy() == np.stack(wanted)).all()


def test_a_half_written_store_is_never_used(index, cache):
    half = stored(index)
    half.source.prepare()
    for position in range(5):
        half.read(position, Reading(3))
    half.source.settle()  # too few: it is not given a name
    assert finished(cache) == []
    assert not stored(index).source.plan.complete


def test_what_a_killed_process_left_is_taken_away(index, cache):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = cache / f"archspec-abc.{dead.pid}.x.filling"
    left.mkdir(parents=True)
    own = cache / f"archspec-abc.{os.getpid()}.x.filling"
    own.mkdir()
    stored(index).source.prepare()
    assert not left.exists()
    assert own.exists()


def test_memory_is_given_back(index):
    kept = stored(index, in_memory=True)
    epoch_of(kept)
    folder = kept.source.store.path
    assert folder.is_dir()
    kept.source.store = None
    assert not folder.exists()


def test_a_full_disk_is_an_error_before_anything_is_read(index, monkeypatch, cache):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(arrays.os, "posix_fallocate", full, raising=False)
    with pytest.raises(DataError, match="No space left on device") as caught:
        stored(index).source.prepare()
    assert "recipe.cache=none" in caught.value.help
    assert finished(cache) == []
    assert list(cache.iterdir()) == []
