"""A data set of archspec's that reads MedMNIST's `.npz` files from disk. It fetches nothing.

Yang et al. 2023, MedMNIST v2, https://medmnist.com: labels and small images of ten medical collections, in splits of
their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from archspec import Offer, Offers, Options, hookimpl

if TYPE_CHECKING:
    from archspec.data import ImageData

Name = Annotated[str, Field(min_length=1)]


class MedMnistOptions(Options):
    """Options of `medmnist`."""

    root: Name = "data"
    """The file, or the folder that it lies in."""
    file: Name | None = None
    """Which file of the folder, such as `bloodmnist.npz`; it may be left out where there is one alone."""
    classes: Annotated[tuple[Name, ...], Field(min_length=2)] | None = None
    """Names of the classes, in the order of their numbers. MedMNIST's own are known by the file's name; of another file
    the classes are called by their numbers."""


def medmnist(options: MedMnistOptions, seed: int) -> ImageData:
    """The three splits of a file, as it has them: nothing is drawn, so the seed does nothing."""
    from archspec_medmnist.reading import open_file

    return open_file(options)


@hookimpl
def archspec_datasets() -> Offers:
    summary = "a file of MedMNIST: images and labels in an .npz"
    return {"medmnist": Offer(MedMnistOptions, medmnist, summary, docs="https://medmnist.com")}
