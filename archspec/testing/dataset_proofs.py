"""What an opened data set promises, proved of its classes and splits, of its images, its memory, and by workers."""

from __future__ import annotations

import gc
import pickle
import types
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image

from archspec.data.index import TRAIN, ImageData, ImageIndex
from archspec.data.loader import Batch, Loader
from archspec.data.opening import data_fault
from archspec.data.preprocessing import preprocessing_for
from archspec.data.reading import Reading
from archspec.data.transforms import EvaluationTransform
from archspec.errors import PluginError
from archspec.spec.arch import InputSpec
from archspec.testing.cases import Fault

_READ = 32
"""So many images of a split are read, spread over it."""
_FEW = 16
"""A container of fewer entries is none that grows with the images."""
_STATE = "loader processes get the source by pickle, so all that it reads by must be in its attributes"


def prove_data(data: ImageData) -> None:
    """Classes and splits fit each other."""
    if (fault := data_fault(data)) is not None:
        raise Fault(fault)
    lacking = set(range(len(data.classes))) - set(np.unique(data.splits[TRAIN].labels).tolist())
    if lacking:
        help = "take `classes` from the training split alone"
        raise Fault(f"its training split has no image of the class '{data.classes[min(lacking)]}': {help}")
    if not isinstance(data.notes, tuple) or not all(isinstance(note, str) for note in data.notes):
        raise Fault("its `notes` must be a tuple of sentences")
    _prove_disjoint(data)


def _prove_disjoint(data: ImageData) -> None:
    """No image stands twice, in one split or in two: it would be tested on what it was trained on."""
    seen: dict[str, str] = {}
    for split, index in data.splits.items():
        for position in range(len(index)):
            name = index.name(position)
            if name in seen:
                where = f"twice in the {split} split" if seen[name] == split else f"in {seen[name]} and in {split}"
                raise Fault(f"the image '{name}' is {where}, or two images have one name")
            seen[name] = split


def prove_images(data: ImageData) -> None:
    """An image is the same each time, in the mode that is asked for, and in the process that it was sent to."""
    for split, index in data.splits.items():
        sent = _send(split, index)
        if sent.fingerprint() != index.fingerprint():
            raise Fault(f"its {split} split has another fingerprint after a pickle: {_STATE}")
        if index.source.digest(index.numbers[1:]) == index.source.digest(index.numbers):
            help = "hash what names the images with the `numbers` that are given"
            raise Fault(f"the digest of its {split} split does not tell other images from these: {help}")
        for position in _spread(index):
            _prove_image(index, sent, position)


def _send(split: str, index: ImageIndex) -> ImageIndex:
    try:
        sent: ImageIndex = pickle.loads(pickle.dumps(index))
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise Fault(f"its {split} split cannot be sent to a loader's process: {what}") from error
    return sent


def _prove_image(index: ImageIndex, sent: ImageIndex, position: int) -> None:
    name = index.name(position)
    if sent.name(position) != name:
        raise Fault(f"the image '{name}' is called '{sent.name(position)}' after a pickle: {_STATE}")
    for channels in (1, 3, 4):
        image = read_image(index, position, channels)
        if image.size != tuple(index.size(position)):
            raise Fault(f"the image '{name}' has {image.size} pixels, and {tuple(index.size(position))} were said")
    first = read_image(index, position, 3).tobytes()
    if read_image(index, position, 3).tobytes() != first:
        help = "`read` must depend on the number alone, and chance belongs in a transform"
        raise Fault(f"the image '{name}' is another one each time that it is read: {help}")
    if read_image(sent, position, 3).tobytes() != first:
        raise Fault(f"the image '{name}' is another one after a pickle: {_STATE}")


def read_image(index: ImageIndex, position: int, channels: int) -> Image.Image:
    """An image, as the loader asks for it; whatever goes wrong is a fault."""
    try:
        return index.read(position, Reading(channels))
    except PluginError as error:  # no such image
        raise Fault(f"the image {error.message}: archspec.data.convert_image(image, reading) makes it so") from error
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise Fault(f"the image '{index.name(position)}' cannot be read in {channels} channels: {what}") from error


def prove_memory(data: ImageData) -> None:
    """An index is arrays: no Python object for each image, and no image that is kept once it was read."""
    for split, index in data.splits.items():
        images = len(index.source)
        for found in _held_by(index.source):
            count = found.size if isinstance(found, np.ndarray) else len(found)
            if count >= max(_FEW, images):
                what = "an array of objects" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
                raise Fault(f"its {split} split keeps {what} of {count} entries for {images} images; use an array")
        kept = weakref.ref(read_image(index, 0, 3))
        gc.collect()
        if kept() is not None:
            help = "an epoch would fill the memory: keep paths or arrays, and `recipe.cache` keeps pixels"
            raise Fault(f"its {split} split keeps the images that were read: {help}")


def _held_by(source: Any) -> Iterator[Any]:
    """The containers of objects that can be reached from a source, but through modules, classes and functions."""
    beyond = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
    seen: set[int] = set()
    waiting = [source]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, beyond):
            continue
        seen.add(id(one))
        if isinstance(one, list | tuple | dict | set | frozenset) or (
            isinstance(one, np.ndarray) and one.dtype.hasobject
        ):
            yield one
        waiting += gc.get_referents(one)


def prove_workers(data: ImageData) -> None:
    """Two processes give the batches that none gives."""
    preprocessing = preprocessing_for(InputSpec(channels=3, size=(16, 16)), 1.0, None, None)
    for split, index in data.splits.items():
        some = index.select(_spread(index))
        one, two = (_batches(split, some, preprocessing, workers) for workers in (0, 2))
        for ours, theirs in zip(one, two, strict=True):
            if not (torch.equal(ours.images, theirs.images) and torch.equal(ours.labels, theirs.labels)):
                raise Fault(f"its {split} split gives other batches in loader processes: {_STATE}")


def _batches(split: str, index: ImageIndex, preprocessing: Any, workers: int) -> list[Batch]:
    transform = EvaluationTransform(preprocessing)
    try:
        return list(Loader(index, preprocessing.reading, transform, batch_size=8, workers=workers).epoch())
    except Exception as error:
        what = str(error).strip().splitlines()[-1]  # torch's error of a worker holds its traceback
        raise Fault(f"its {split} split cannot be read by {workers} loader processes: {what}") from error


def _spread(index: ImageIndex) -> np.ndarray:
    return np.unique(np.linspace(0, len(index) - 1, _READ).astype(np.int64))
