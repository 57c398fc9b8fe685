"""Index -> batches: the same bits with any number of workers, in an order that is a function."""

import contextlib
import gc
import itertools
import multiprocessing
import os
import re
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from waiting import HANG, wait_for

from archspec.data.folder import open_folder
from archspec.data.index import ImageIndex
from archspec.data.interrupts import uninterrupted
from archspec.data.loader import Loader
from archspec.data.preprocessing import preprocessing_for
from archspec.data.randomness import epoch_order, seed_for
from archspec.data.reading import Reading
from archspec.data.sources import ImageArray
from archspec.data.transforms import EvaluationTransform, TrainTransform, as_pixels
from archspec.errors import DataError
from archspec.plugins import Plugins
from archspec.spec.arch import InputSpec
from archspec.spec.settings import default_options

SETTINGS = preprocessing_for(InputSpec(size=(12, 12)), 1.0, None, None)
STANDARD = default_options("transforms", "standard", Plugins(installed=False))
SURE = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


@pytest.fixture
def index(make_folder):
    """23 images."""
    return open_folder(make_folder({"train/a": 11, "train/b": 12, "val/a": 1}), 0.15, 0.15, 0).splits["train"]


def training_loader(index, **options):
    transform = TrainTransform(SETTINGS, STANDARD)
    return Loader(index, Reading(3), transform, **{"batch_size": 5, "shuffle": True, "seed": 3, **options})


def processes():
    """Those that this one has started, and that have not ended."""
    return set(multiprocessing.active_children())


@contextlib.contextmanager
def without_collection():
    """What is garbage in a cycle stays."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def drawn(loader, epoch=0):
    batches = list(loader.epoch(epoch))
    return [torch.cat([getattr(batch, name) for batch in batches]) for name in ("images", "labels", "positions")]


@SURE
def test_the_batches_are_the_same_bits_with_any_number_of_workers(index):
    reference = training_loader(index, workers=0)
    loaders = [training_loader(index, workers=workers) for workers in (1, 3)]
    for epoch in (0, 1):
        expected = drawn(reference, epoch)
        for loader in loaders:
            for found, wanted in zip(drawn(loader, epoch), expected, strict=True):
                assert torch.equal(found, wanted)


def test_an_epoch_is_a_permutation_that_depends_on_seed_and_epoch(index):
    orders = [drawn(training_loader(index, seed=seed), epoch)[2].tolist() for seed, epoch in ((3, 0), (3, 1), (4, 0))]
    assert all(sorted(order) == list(range(23)) for order in orders)
    assert all(one != other for one, other in itertools.combinations(orders, 2))
    assert orders[1] == drawn(training_loader(index), 1)[2].tolist()


def test_an_image_is_augmented_by_seed_epoch_and_place_and_not_by_its_batch(index):
    def views(batch_size, epoch, seed=3):
        images, _, positions = drawn(training_loader(index, batch_size=batch_size, seed=seed), epoch)
        return images[positions.argsort()]

    assert torch.equal(views(5, 0), views(7, 0))
    assert not torch.equal(views(5, 0), views(5, 1))
    assert not torch.equal(views(5, 0), views(5, 0, seed=4))


def test_batches_hold_the_images_and_labels_of_their_positions(index):
    loader = Loader(index, Reading(3), lambda image: np.asarray(image), batch_size=8)
    images, labels, positions = drawn(loader)
    assert positions.tolist() == list(range(23))
    for image, label, position in zip(images, labels, positions, strict=True):
        path = index.file(position)
        assert (image.permute(1, 2, 0).numpy() == np.asarray(Image.open(path))).all()
        assert path.parent.name == "ab"[label]


def test_images_are_bytes_with_their_channels_last(index):
    batch = next(iter(training_loader(index).epoch()))
    assert batch.images.shape == (5, 3, 12, 12)
    assert batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("batch_size", "training", "evaluation"), [(11, 2, 3), (22, 1, 2), (5, 5, 5), (23, 1, 1)])
def test_a_last_single_image_is_left_out_in_training_only(index, batch_size, training, evaluation):
    for shuffle, expected in ((True, training), (False, evaluation)):
        loader = Loader(index, Reading(3), EvaluationTransform(SETTINGS), batch_size=batch_size, shuffle=shuffle)
        batches = list(loader.epoch())
        assert len(batches) == len(loader) == expected
        assert sum(len(batch.labels) for batch in batches) == min(23, expected * batch_size)


@pytest.mark.parametrize("shuffle", [True, False])
def test_workers_leave_the_global_generator_alone(index, shuffle):
    before = torch.default_generator.get_state()
    drawn(training_loader(index, workers=2, shuffle=shuffle))
    assert torch.equal(torch.default_generator.get_state(), before)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_is_named_and_the_loader_lives_on(index, workers):
    path = index.file(7)
    sound = path.read_bytes()
    path.write_bytes(sound[:200])
    loader = training_loader(index, workers=workers)
    with pytest.raises(DataError) as caught:
        drawn(loader)
    assert str(path) in caught.value.message
    assert caught.value.file == str(path)
    del caught  # with its traceback it holds this frame, and the workers
    path.write_bytes(sound)
    assert all(map(torch.equal, drawn(loader), drawn(training_loader(index))))


def test_the_workers_of_an_epoch_that_failed_end_with_it(index):
    """As garbage, an error that holds its own traceback and so the processes, each would be waited for: 5 seconds."""
    index.file(7).write_bytes(b"")
    loader = training_loader(index, workers=2)
    before = processes()
    with without_collection(), contextlib.suppress(DataError):
        drawn(loader)
        assert False, "the epoch fails"  # noqa: B011, PT015
    with without_collection():
        assert processes() == before


def test_seeds_of_different_places_differ():
    places = [(p, *rest) for p in (1, 2, 3) for n in (1, 2, 3) for rest in itertools.product(range(7), repeat=n)]
    seeds = {seed_for(*place) for place in places}
    assert len(seeds) == len(places)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeds_are_the_same_on_every_machine_and_in_every_version():
    """The mixing step of SplitMix64, from its paper, written out once more: a change of it would change every run."""

    def mix(z):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    assert mix(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF  # the generator's published first output for seed 0
    state = 0
    for number in (2, 7, 5):
        state = mix((state + 0x9E3779B97F4A7C15 + number) % 2**64)
    assert seed_for(2, 7, 5) == state >> 1


def test_an_epochs_order_moves_no_generator():
    before = torch.default_generator.get_state()
    assert sorted(epoch_order(100, 0, 0).tolist()) == list(range(100))
    assert torch.equal(torch.default_generator.get_state(), before)


@SURE
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_epoch_can_start_in_its_middle(index, workers):
    whole = list(training_loader(index).epoch(1))
    rest = list(training_loader(index, workers=workers).epoch(1, start=2))
    assert len(rest) == len(whole) - 2
    for found, wanted in zip(rest, whole[2:], strict=True):
        assert torch.equal(found.images, wanted.images)
        assert torch.equal(found.positions, wanted.positions)


@SURE
@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_may_be_skipped_and_is_counted(index, workers):
    index.file(7).write_bytes(b"")
    loader = training_loader(index, workers=workers, skip_unreadable=True)
    _, _, positions = drawn(loader)
    assert sorted(positions.tolist()) == [position for position in range(23) if position != 7]
    assert list(loader.skipped) == [7]
    assert "it is empty" in loader.skipped[7]


def test_more_than_a_hundredth_is_an_error(index):
    for position in (3, 7):
        index.file(position).write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 23 images \(8.7%\) cannot be read"):
        drawn(training_loader(index, skip_unreadable=True))


@SURE
@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_images_may_be_told_beside_their_batch_however_many(index, workers):
    broken = {1, *range(5, 10), 22}
    for position in broken:
        index.file(position).write_bytes(b"")
    loader = Loader(
        index, Reading(3), EvaluationTransform(SETTINGS), batch_size=5, workers=workers, tell_unreadable=True
    )
    batches = list(loader.epoch())
    assert [len(batch.positions) for batch in batches] == [4, 0, 5, 5, 2]
    assert {image.position for batch in batches for image in batch.unreadable} == broken
    assert [position for batch in batches for position in batch.positions.tolist()] == sorted({*range(23)} - broken)
    assert loader.skipped == {}


class Fatal:
    """Ends the process at one image, or stays there; a file tells that it is there."""

    def __init__(self, deed, standing):
        self.deed, self.standing = deed, standing

    def __call__(self, image):
        if np.asarray(image).sum() % 2 == 0:
            self.standing.touch()
            self.deed()
        return np.asarray(image)


class Waiting(Loader):
    """Asks for a batch once its worker is at the fatal image: how long it took to start is not counted."""

    def _next(self):
        wait_for(self._images.transform.at(0).standing.exists)
        return super()._next()


def die():
    os._exit(9)


def hang():
    threading.Event().wait(HANG)


@pytest.mark.parametrize(
    ("deed", "seconds", "message"),
    [(die, HANG, "a loader process ended by itself"), (hang, 0.5, r"no batch came for 0\.5 s")],
)
def test_a_worker_that_dies_or_hangs_is_named_with_its_file(index, tmp_path, deed, seconds, message):
    fatal = Fatal(deed, tmp_path / "standing")
    loader = Waiting(index, Reading(3), fatal, batch_size=23, workers=1, timeout=seconds)
    with pytest.raises(DataError, match=message) as caught:
        drawn(loader)
    sums = [np.asarray(Image.open(index.file(position))).sum() % 2 for position in range(23)]
    assert f"at '{index.file(sums.index(0))}'" in caught.value.message


class Faulty(ImageArray):
    """A plugin's source whose code has a fault."""

    def read(self, number, reading):
        if number == 40:
            raise ZeroDivisionError("so many of none")
        return super().read(number, reading)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("options", [{}, {"skip_unreadable": True}, {"tell_unreadable": True}])
def test_a_fault_in_a_sources_code_is_told_with_its_place_and_is_no_corrupt_image(workers, options):
    index = ImageIndex(Faulty(Path("noise"), np.zeros((64, 8, 8, 3), dtype=np.uint8)), [0] * 64)
    loader, before = Loader(index, Reading(3), as_pixels, batch_size=8, workers=workers, **options), processes()
    with pytest.raises(DataError, match=r"'noise\[40\]' could not be prepared: ZeroDivisionError") as caught:
        list(loader.epoch())
    assert re.search(rf"{re.escape(__file__)}:\d+ raised it", caught.value.help)
    assert loader.skipped == {}
    assert processes() == before, "they have ended: torch's own way joins each later, for 5 seconds"


def test_an_interrupt_while_processes_start_waits_for_them():
    """Whichever thread the system gives the signal to."""
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            done.append(1)
        done.append(2)
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with uninterrupted():
        pass
