"""Opens published data sets: torchvision finds or fetches the files, and tells which image has which label."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from archspec.data.arrays import cache_folder
from archspec.data.index import TEST, TRAIN, VALIDATION, ImageData, ImageIndex
from archspec.data.sources import ImageArray, ImageFiles
from archspec.data.splits import draw_splits
from archspec.errors import DataError

_PATIENCE = 60.0
"""Seconds after which a server that says nothing is given up."""

Read = Callable[[Any, Path, str], ImageIndex]


@dataclass(frozen=True)
class Published:
    """How torchvision offers a data set, and where below `root` its files lie."""

    kind: str
    """Its name in torchvision.datasets."""
    folder: str
    """The one folder that it takes in `root`; `{size}` stands for an option's part of the name."""
    contents: str
    """What is in the folder, for those who bring the files themselves."""
    splits: Mapping[str, Mapping[str, Any]]
    """What torchvision is called with for each split."""
    read: Read
    classes: Callable[[Any], list[str]] = lambda theirs: list(theirs.classes)


def _read_array(theirs: Any, place: Path, split: str) -> ImageIndex:
    """Of images that torchvision holds decoded."""
    return ImageIndex(ImageArray(place / split, np.asarray(theirs.data)), np.asarray(theirs.targets))


def _read_files(paths: str, labels: str) -> Read:
    """Of images whose paths torchvision keeps in one attribute and whose labels in another."""

    def read(theirs: Any, place: Path, split: str) -> ImageIndex:
        below = [str(path).removeprefix(f"{place.parent}{os.sep}") for path in getattr(theirs, paths)]
        return ImageIndex(ImageFiles(place.parent, below), getattr(theirs, labels))

    return read


def _read_samples(theirs: Any, place: Path, split: str) -> ImageIndex:
    """Of pairs of a path and a label."""
    below = [path.removeprefix(f"{place.parent}{os.sep}") for path, _ in theirs._samples]
    return ImageIndex(ImageFiles(place.parent, below), [label for _, label in theirs._samples])


_BY_TRAIN = {TRAIN: {"train": True}, TEST: {"train": False}}
_BY_SPLIT = {TRAIN: {"split": "train"}, TEST: {"split": "test"}}
_IDX = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte"
_SETS = {
    "cifar10": Published(
        "CIFAR10", "cifar-10-batches-py", "data_batch_1 to 5, test_batch and batches.meta", _BY_TRAIN, _read_array
    ),
    "cifar100": Published("CIFAR100", "cifar-100-python", "train, test and meta", _BY_TRAIN, _read_array),
    "mnist": Published(
        "MNIST",
        "MNIST",
        f"raw/ with {_IDX}",
        _BY_TRAIN,
        _read_array,
        lambda theirs: [name.partition(" ")[0] for name in theirs.classes],  # "0 - zero"
    ),
    "fashion-mnist": Published("FashionMNIST", "FashionMNIST", f"raw/ with {_IDX}", _BY_TRAIN, _read_array),
    "flowers102": Published(
        "Flowers102",
        "flowers-102",
        "jpg/, imagelabels.mat and setid.mat",
        {TRAIN: {"split": "train"}, VALIDATION: {"split": "val"}, TEST: {"split": "test"}},
        _read_files("_image_files", "_labels"),
    ),
    "food101": Published("Food101", "food-101", "images/ and meta/", _BY_SPLIT, _read_files("_image_files", "_labels")),
    "oxford-iiit-pet": Published(
        "OxfordIIITPet",
        "oxford-iiit-pet",
        "images/ and annotations/",
        {TRAIN: {"split": "trainval"}, TEST: {"split": "test"}},
        _read_files("_images", "_labels"),
    ),
    "imagenette": Published(
        "Imagenette",
        "imagenette2{size}",
        "train/ and val/",
        {TRAIN: {"split": "train"}, VALIDATION: {"split": "val"}},
        _read_samples,
        lambda theirs: [names[0] for names in theirs.classes],
    ),
}


def open_published(
    name: str, root: str | None, validation: float | None, seed: int, *, download: bool, **choices: str
) -> ImageData:
    """A published data set in its own splits; with a share for `validation`, that split is drawn with the seed.

    Raises:
        DataError: the files are not there and cannot be downloaded, or are damaged.

    """
    published = _SETS[name]
    folder = Path(root).expanduser() if root is not None else cache_folder() / "datasets"
    size = {"160px": "-160", "320px": "-320"}.get(choices.get("size", ""), "")
    library = _Library(name, published, folder, folder / published.folder.format(size=size))
    classes: list[str] = []
    splits: dict[str, ImageIndex] = {}
    for split, arguments in published.splits.items():
        theirs = library.obtain({**arguments, **choices}, download=download)
        classes = classes or published.classes(theirs)
        splits[split] = published.read(theirs, library.place, split)
        if not len(splits[split]) or splits[split].labels.max() >= len(classes):
            raise library.damaged("images or classes are missing")
    notes: list[str] = []
    if validation is not None:
        splits = {**draw_splits(splits[TRAIN], validation, 0.0, seed, notes), TEST: splits[TEST]}
    return ImageData(name, folder, tuple(classes), splits, validation is not None, tuple(notes))


@dataclass(frozen=True)
class _Library:
    """Where torchvision keeps a data set's files: `place`, in `folder`."""

    name: str
    published: Published
    folder: Path
    place: Path

    def obtain(self, arguments: Mapping[str, Any], *, download: bool) -> Any:
        """torchvision's data set; where its files are not there, one process fetches them, and the others wait."""
        if not self.place.exists():
            if not download:
                message = f"the data set '{self.name}' is not in '{self.folder}'"
                raise DataError(message, file=self.folder, help=self.help)
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self.folder / f".{self.name}.lock"):
                    if not self.place.exists():
                        self.fetch(arguments)
            except OSError as error:
                reason = error.strerror or error
                raise DataError(f"the folder '{self.folder}' cannot be written: {reason}", file=self.folder) from error
        try:
            return self.open(self.folder, arguments, download=False)
        except ImportError as error:
            raise DataError(f"'{self.name}' needs {error.name}", help=f"pip install {error.name}") from None
        except Exception as error:  # torchvision opens the files as if they were whole
            raise self.damaged(_last_line(error)) from error

    def fetch(self, arguments: Mapping[str, Any]) -> None:
        """Download into a folder beside, whose contents take their place when they are complete."""
        beside = self.folder / f".{self.name}.partial"
        shutil.rmtree(beside, ignore_errors=True)
        try:
            beside.mkdir()
            with _patience():
                self.open(beside, arguments, download=True)
            (beside / self.place.name).rename(self.place)
        except Exception as error:  # a network makes urllib raise nearly anything
            message = f"the data set '{self.name}' could not be downloaded: {_last_line(error)}"
            raise DataError(message, file=self.folder, help=self.help) from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def open(self, folder: Path, arguments: Mapping[str, Any], *, download: bool) -> Any:
        from torchvision import datasets

        with redirect_stdout(sys.stderr):  # standard output is for results
            return getattr(datasets, self.published.kind)(str(folder), download=download, **arguments)

    @property
    def help(self) -> str:
        return f"without a network, bring the folder '{self.place}' yourself: {self.published.contents}"

    def damaged(self, reason: str) -> DataError:
        message = f"the files of '{self.name}' in '{self.place}' cannot be used: {reason}"
        return DataError(message, file=self.place, help="take the folder away, and it is downloaded anew")


@contextmanager
def _patience() -> Iterator[None]:
    """Let a server that goes silent be an error: urllib would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(before or _PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _last_line(error: Exception) -> str:
    """What went wrong in a line; of several mirrors', the last one's."""
    text = str(getattr(error, "reason", error)).strip() or type(error).__name__
    found = re.sub(r"^<urlopen error (.*)>$", r"\1", text.splitlines()[-1])
    return found.removesuffix(" You can use download=True to download it").rstrip(".")
