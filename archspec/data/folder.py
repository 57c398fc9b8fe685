"""Reads a folder of images: split folders of class folders, or class folders alone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from unicodedata import normalize

from archspec.data.index import TEST, TRAIN, VALIDATION, ImageData, ImageIndex
from archspec.data.sources import ImageFiles
from archspec.data.splits import draw_splits, note_differences, split_of
from archspec.data.walk import count_loose_images, folders_in, images_below
from archspec.errors import DataError
from archspec.paths import is_file, is_folder
from archspec.plugins import closest

Unknown = Literal["error", "skip"]
"""What becomes of an image whose class the training split lacks."""

_LAYOUT = "a data folder holds train/CLASS/*.jpg (with val and test beside it), or CLASS/*.jpg alone"


def open_folder(root: Path, validation: float, test: float, seed: int, unknown: Unknown = "error") -> ImageData:
    """The data set in a folder. Splits that it lacks are drawn from the training images, every class alike.

    Raises:
        DataError: there is no such folder, it is empty, has one class, a class without images, or a class that the
            training split lacks.

    """
    if not is_folder(root):
        what = "is a file, not a folder" if is_file(root) else "does not exist"
        raise DataError(f"the data folder '{root}' {what}", file=root, help=_LAYOUT)
    notes: list[str] = []
    folders = _split_folders(root, notes)
    classes, index = _scan(folders.get(TRAIN, root), root, notes)
    splits = {TRAIN: index}
    for split in (VALIDATION, TEST):
        if split in folders:
            splits[split] = _scan_known(folders[split], root, classes, split, unknown, notes)
    drawn = VALIDATION not in splits
    if drawn:
        splits |= draw_splits(index, validation, 0.0 if folders else test, seed, notes)
    return ImageData("imagefolder", root, classes, splits, drawn, tuple(notes))


def _split_folders(root: Path, notes: list[str]) -> dict[str, Path]:
    """The folders of the splits, where there is one for training; else none: the folder holds classes."""
    folders: dict[str, Path] = {}
    others = []
    for folder in folders_in(root):
        split = split_of(folder.name)
        if split is None:
            others.append(folder)
        elif split in folders:
            raise DataError(f"'{folders[split]}' and '{folder}' are both a {split} split", file=root)
        else:
            folders[split] = folder
    if TRAIN not in folders:
        _refuse_lone_splits(root, list(folders.values()), {folder.name for folder in others})
        return {}
    if others and not folders_in(folders[TRAIN]) and count_loose_images(folders[TRAIN]):
        return {}  # a class of trains
    if others:
        names = ", ".join(folder.name for folder in others[:10]) + (", ..." if len(others) > 10 else "")
        notes.append(f"beside the splits, {names} {'is' if len(others) == 1 else 'are'} left out")
    _note_loose_images(root, notes)
    return folders


def _refuse_lone_splits(root: Path, splits: list[Path], others: set[str]) -> None:
    """Refuse val and test folders without train: a network would learn to tell `test` from `val`."""
    held = {folder.name for split in splits for folder in folders_in(split)}
    if splits and (len(splits) > 1 or not others or held & others):
        found = " and ".join(folder.name for folder in splits)
        raise DataError(f"the data folder '{root}' has {found} and no train folder", file=root, help=_LAYOUT)


def _note_loose_images(folder: Path, notes: list[str]) -> None:
    count = count_loose_images(folder)
    if count:
        what = "1 image lies" if count == 1 else f"{count:,} images lie"
        notes.append(f"{what} in '{folder}' itself, in no class folder, and {'is' if count == 1 else 'are'} left out")


def _scan(folder: Path, root: Path, notes: list[str]) -> tuple[tuple[str, ...], ImageIndex]:
    """The classes of a folder in alphabetical order, and its images."""
    found: dict[str, Path] = {}
    paths: list[str] = []
    labels: list[int] = []
    for class_folder in folders_in(folder):
        name = _class_name(class_folder)
        if name in found:
            message = f"'{found[name]}' and '{class_folder}' are one class: their names are the same letters"
            raise DataError(message, file=class_folder)
        images = list(images_below(class_folder, root))
        if not images:
            help = "every class needs images; take the folder away, or name it with a dot in front"
            raise DataError(f"the class folder '{class_folder}' holds no images", file=class_folder, help=help)
        paths += images
        labels += [len(found)] * len(images)
        found[name] = class_folder
    _refuse_few_classes(folder, list(found))
    _note_loose_images(folder, notes)
    return tuple(found), ImageIndex(ImageFiles(root, paths), labels)


def _refuse_few_classes(folder: Path, names: list[str]) -> None:
    if not names:
        loose = ", only images" if count_loose_images(folder) else ""
        raise DataError(f"the data folder '{folder}' holds no class folders{loose}", file=folder, help=_LAYOUT)
    if len(names) == 1:
        message = f"the data folder '{folder}' has one class, '{names[0]}'; a classifier needs two"
        raise DataError(message, file=folder, help=_LAYOUT)


def _class_name(folder: Path) -> str:
    """The folder's name, composed: macOS takes an `ä` apart, and it is the same class."""
    try:
        folder.name.encode()
    except UnicodeEncodeError:
        raise DataError(f"the name of the class folder {folder.name!a} is not UTF-8", file=folder.parent) from None
    return normalize("NFC", folder.name)


def _scan_known(
    folder: Path, root: Path, classes: tuple[str, ...], split: str, unknown: Unknown, notes: list[str]
) -> ImageIndex:
    """The images of a split, labelled by the training split's classes."""
    known = {name: label for label, name in enumerate(classes)}
    paths: list[str] = []
    labels: list[int] = []
    skipped: dict[str, int] = {}
    for class_folder in folders_in(folder):
        name = _class_name(class_folder)
        images = list(images_below(class_folder, root))
        if name in known:
            paths += images
            labels += [known[name]] * len(images)
        elif images and unknown == "error":
            raise _unknown_class(class_folder, classes)
        else:
            skipped[name] = len(images)
    if not paths:
        of_known = " of a known class" if any(skipped.values()) else ""
        raise DataError(f"the {split} split '{folder}' holds no images{of_known}", file=folder, help=_LAYOUT)
    note_differences(split, classes, labels, skipped, notes)
    _note_loose_images(folder, notes)
    return ImageIndex(ImageFiles(root, paths), labels)


def _unknown_class(folder: Path, classes: tuple[str, ...]) -> DataError:
    match = closest(folder.name, classes)
    known = f"the training split's classes are {', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''}"
    help = f"did you mean '{match}'? {known}" if match else known
    message = f"'{folder}' holds images of a class that the training split lacks"
    return DataError(message, file=folder, help=f"{help}; or leave such images out: --set data.unknown=skip")
