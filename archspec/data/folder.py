"""Reads a folder of images: split folders of class folders, or class folders alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from archspec.data.index import TEST, TRAIN, VALIDATION, ImageData, ImageIndex, stratified
from archspec.data.sources import ImageFiles
from archspec.errors import DataError
from archspec.paths import is_file, is_folder

_SPLITS = {
    TRAIN: ("train", "training"),
    VALIDATION: ("validation", "valid", "val", "dev"),
    TEST: ("test", "testing"),
}
_KNOWN = "jpg jpeg jpe jfif jp2 png apng webp avif bmp dib gif tif tiff ppm pgm pbm pnm tga pcx ico"
_SUFFIXES = tuple(f".{suffix}" for suffix in _KNOWN.split(" "))
_LAYOUT = "a data folder holds train/CLASS/*.jpg (with val and test beside it), or CLASS/*.jpg alone"


def open_folder(root: Path, validation: float, test: float, seed: int) -> ImageData:
    """The data set in a folder. Splits that it lacks are drawn from the training images, every class alike.

    Raises:
        DataError: there is no such folder, it is empty, has one class, a class without images, or a class that the
            training split lacks.

    """
    if not is_folder(root):
        what = "is a file, not a folder" if is_file(root) else "does not exist"
        raise DataError(f"the data folder '{root}' {what}", file=root, help=_LAYOUT)
    folders = _split_folders(root)
    classes, index = _scan(folders.get(TRAIN, root), root)
    notes: list[str] = []
    splits = {TRAIN: index}
    for split in (VALIDATION, TEST):
        if split in folders:
            splits[split] = _scan_known(folders[split], root, classes, split, notes)
    drawn = VALIDATION not in splits
    if drawn:
        splits |= _draw(index, validation, 0.0 if folders else test, seed, notes)
    return ImageData("imagefolder", root, classes, splits, drawn, tuple(notes))


def _draw(index: ImageIndex, validation: float, test: float, seed: int, notes: list[str]) -> dict[str, ImageIndex]:
    """Splits drawn from one index, by the seed."""
    kept, tested, left = stratified(index.labels, [validation, test], seed)
    if not len(kept):
        message = f"'{index.root}' has one image a class, and none can be kept for validation"
        raise DataError(message, file=index.root, help="give every class more images, or the folder a val split")
    splits = {TRAIN: index.select(left), VALIDATION: index.select(kept)}
    if len(tested):
        splits[TEST] = index.select(tested)
    sizes = f"{len(kept):,} for validation" + (f" and {len(tested):,} for test" if len(tested) else "")
    notes.append(f"there is no validation split: of {len(index):,} images, {sizes} are kept out of training")
    return splits


def _split_folders(root: Path) -> dict[str, Path]:
    """The folders of the splits, where there is one for training; else none: the folder holds classes."""
    folders: dict[str, Path] = {}
    names = {name: split for split, known in _SPLITS.items() for name in known}
    for folder in _folders(root):
        split = names.get(folder.name.lower())
        if split in folders:
            raise DataError(f"'{folders[split]}' and '{folder}' are both a {split} split", file=root)
        if split is not None:
            folders[split] = folder
    if folders and TRAIN not in folders and len(folders) == len(_folders(root)):
        found = " and ".join(folder.name for folder in folders.values())
        raise DataError(f"the data folder '{root}' has {found} and no train folder", file=root, help=_LAYOUT)
    return folders if TRAIN in folders else {}


def _scan(folder: Path, root: Path) -> tuple[tuple[str, ...], ImageIndex]:
    """The classes of a folder in alphabetical order, and its images."""
    names: list[str] = []
    paths: list[str] = []
    labels: list[int] = []
    for label, class_folder in enumerate(_folders(folder)):
        images = list(images_below(class_folder, root))
        if not images:
            help = "every class needs images; take the folder away, or name it with a dot in front"
            raise DataError(f"the class folder '{class_folder}' holds no images", file=class_folder, help=help)
        names.append(_class_name(class_folder))
        paths += images
        labels += [label] * len(images)
    if not names:
        raise DataError(f"the data folder '{folder}' holds no class folders", file=folder, help=_LAYOUT)
    if len(names) == 1:
        message = f"the data folder '{folder}' has one class, '{names[0]}'; a classifier needs two"
        raise DataError(message, file=folder, help=_LAYOUT)
    return tuple(names), ImageIndex(ImageFiles(root, paths), labels)


def _class_name(folder: Path) -> str:
    try:
        folder.name.encode()
    except UnicodeEncodeError:
        raise DataError(f"the name of the class folder {folder.name!a} is not UTF-8", file=folder.parent) from None
    return folder.name


def _scan_known(folder: Path, root: Path, classes: tuple[str, ...], split: str, notes: list[str]) -> ImageIndex:
    """The images of a split, labelled by the training split's classes."""
    known = {name: label for label, name in enumerate(classes)}
    paths: list[str] = []
    labels: list[int] = []
    for class_folder in _folders(folder):
        images = list(images_below(class_folder, root))
        if class_folder.name in known:
            paths += images
            labels += [known[class_folder.name]] * len(images)
        elif images:
            help = f"the training split's classes are {', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''}"
            message = f"'{class_folder}' holds images of a class that the training split lacks"
            raise DataError(message, file=class_folder, help=help)
    if not paths:
        raise DataError(f"the {split} split '{folder}' holds no images", file=folder, help=_LAYOUT)
    there = set(labels)
    absent = [name for label, name in enumerate(classes) if label not in there]
    if absent:
        notes.append(f"the {split} split has no images of {', '.join(absent)}")
    return ImageIndex(ImageFiles(root, paths), labels)


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise _unreadable(error) from error


def images_below(folder: Path, root: Path) -> Iterator[str]:
    """The images below a folder, in order, as paths below `root`; hidden files are left out."""
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = os.path.relpath(parent, root)
        for name in sorted(files):
            if name.lower().endswith(_SUFFIXES) and not name.startswith("."):
                yield f"{below}{os.sep}{name}"


def _refuse(error: OSError) -> None:
    raise _unreadable(error) from error


def _unreadable(error: OSError) -> DataError:
    return DataError(f"the folder '{error.filename}' cannot be read: {error.strerror}", file=error.filename)
