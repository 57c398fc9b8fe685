"""Opens a file of MedMNIST: six arrays, `train_images`, `train_labels`, and the same of `val` and `test`."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archspec.data import ImageArray, ImageData, ImageIndex
from archspec.errors import DataError
from archspec_medmnist.classes import CLASSES

if TYPE_CHECKING:
    from archspec_medmnist import MedMnistOptions

_SPLITS = {"train": "train", "validation": "val", "test": "test"}
_UNREADABLE = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error)
Arrays = dict[str, np.ndarray]


def open_file(options: MedMnistOptions) -> ImageData:
    """The data set of a file.

    Raises:
        DataError: there is no such file, or it is none of MedMNIST's, or its images have several labels.

    """
    path = find_file(Path(options.root), options.file)
    arrays = _read(path)
    for name in _SPLITS.values():
        _refuse_images(path, f"{name}_images", arrays[f"{name}_images"])
        _refuse_labels(path, f"{name}_labels", arrays)
    labels = {split: arrays[f"{name}_labels"].reshape(-1).astype(np.int64) for split, name in _SPLITS.items()}
    classes = _name_classes(path, labels["train"], options.classes)
    for split, name in _SPLITS.items():
        _refuse_unknown(path, f"{name}_labels", labels[split], classes)
    splits = {
        split: ImageIndex(ImageArray(path / name, _flat(arrays[f"{name}_images"])), labels[split])
        for split, name in _SPLITS.items()
    }
    return ImageData(path.stem, path, classes, splits)


def _flat(images: np.ndarray) -> np.ndarray:
    """Grey images without an axis of one channel."""
    return images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images


def find_file(root: Path, file: str | None) -> Path:
    """The file that is meant.

    Raises:
        DataError: there is none, or there are several.

    """
    if not root.is_dir():
        if file is None and root.is_file():
            return root
        what = "there is no folder" if file is not None else "there is no file or folder"
        help = "give MedMNIST's .npz file, or its folder, as `--data medmnist:ROOT`; they are at https://medmnist.com"
        raise DataError(f"{what} '{root}'", file=root, help=help)
    found = sorted(path.name for path in root.glob("*.npz"))
    names = [file, f"{file}.npz"] if file is not None else found
    there = [root / name for name in names if (root / name).is_file()]
    if len(there) == 1 or (file is not None and there):
        return there[0]
    listed = f"it has {', '.join(found[:5])}{', ...' if len(found) > 5 else ''}" if found else "it has no .npz file"
    if file is not None:
        raise DataError(f"there is no file '{file}' in '{root}'", file=root, help=listed)
    help = f"{listed}: say which, as `--set data.file={found[0]}`" if found else "the files are at https://medmnist.com"
    raise DataError(f"'{root}' has {len(found) or 'no'} .npz files", file=root, help=help)


def _read(path: Path) -> Arrays:
    """The six arrays. A pickle in the file is not opened."""
    wanted = [f"{name}_{what}" for name in _SPLITS.values() for what in ("images", "labels")]
    try:
        with path.open("rb") as stream:
            opened = np.load(stream, allow_pickle=False)
            if not isinstance(opened, np.lib.npyio.NpzFile):
                raise ValueError("it is one array")
            there = set(opened.files)
            missing = [name for name in wanted if name not in there]
            arrays = {name: opened[name] for name in wanted if name in there}
    except _UNREADABLE as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"'{path}' cannot be read as an archive of NumPy's arrays: {reason}", file=path) from error
    if missing:
        others = ", ".join(sorted(there)) or "nothing"
        help = f"it has {others}; a file of MedMNIST has {', '.join(wanted)}"
        raise DataError(f"'{path}' has no array '{missing[0]}'", file=path, help=help)
    return arrays


def _refuse_images(path: Path, name: str, images: np.ndarray) -> None:
    shape = f"'{name}' of '{path}' is {images.shape}"
    if images.ndim == 5 or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        help = "its images are volumes, as those of `organmnist3d`; archspec's networks take flat ones"
        raise DataError(f"{shape}, no flat images", file=path, help=help)
    if images.ndim not in (3, 4):
        raise DataError(f"{shape}, and images are (N, height, width) or (N, height, width, 3)", file=path)
    if images.dtype != np.uint8:
        raise DataError(f"'{name}' of '{path}' is of {images.dtype}, and pixels are uint8", file=path)
    if not images.size:
        raise DataError(f"'{name}' of '{path}' is empty", file=path)


def _refuse_labels(path: Path, name: str, arrays: Arrays) -> None:
    labels, images = arrays[name], arrays[name.replace("labels", "images")]
    if labels.ndim == 2 and labels.shape[1] > 1:
        help = "as those of `chestmnist`, they say which findings an image shows; archspec trains on one class an image"
        raise DataError(f"'{name}' of '{path}' has {labels.shape[1]} labels for each image", file=path, help=help)
    if labels.ndim not in (1, 2) or labels.size != len(images):
        message = f"'{name}' of '{path}' is {labels.shape}, and there are {len(images):,} images: one label each"
        raise DataError(message, file=path)
    if labels.dtype.kind not in "iu":
        raise DataError(f"'{name}' of '{path}' is of {labels.dtype}, and labels are whole numbers", file=path)


def _name_classes(path: Path, labels: np.ndarray, given: tuple[str, ...] | None) -> tuple[str, ...]:
    """The names that are given, or MedMNIST's, or the numbers up to the largest of the training labels."""
    if given and len(set(given)) < len(given):
        twice = next(name for name in given if given.count(name) > 1)
        raise DataError(f"two of the `classes` of '{path}' are called '{twice}'", file=path)
    known = given or CLASSES.get(re.sub(r"_\d+$", "", path.stem))
    count = len(known) if known else int(labels.max()) + 1
    present = set(np.unique(labels).tolist())
    absent = next((label for label in range(count) if label not in present), None)
    if absent is not None:
        message = f"'train_labels' of '{path}' has no image of the class {absent}, of {count:,} classes"
        help = "give `classes` as many names as there are" if given else "what no image shows cannot be learnt"
        raise DataError(message, file=path, help=help)
    if count < 2:
        raise DataError(f"'train_labels' of '{path}' has one class, and a classifier needs two", file=path)
    return known or tuple(map(str, range(count)))


def _refuse_unknown(path: Path, name: str, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    wrong = labels[(labels < 0) | (labels >= len(classes))]
    if len(wrong):
        message = f"'{name}' of '{path}' has the label {wrong[0]}, and labels go from 0 to {len(classes) - 1}"
        raise DataError(message, file=path)
