"""The check of a data set: opened twice, under two seeds, and read by none and by two workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.data.index import ImageData
from archspec.errors import ArchspecError
from archspec.offers import Options
from archspec.plugins import Plugins, default_plugins
from archspec.testing.cases import Fault
from archspec.testing.dataset_proofs import prove_data, prove_images, prove_memory, prove_workers
from archspec.testing.holding import hold
from archspec.testing.randomness import randomness_left_alone

__tracebackhide__ = True  # of pytest: a test that fails shows its own line, and what the check says
_ORDER = "sort what a folder lists, and draw from the seed alone"


def check_dataset(
    name: str, *, plugins: Plugins | None = None, options: Mapping[str, Any] | None = None, seed: int = 0
) -> None:
    """A data set keeps what training relies on: classes, labels, splits, and the same images every time.

    `options` are written as in a recipe; a data set that reads files needs a `root` that holds a few. Images are read
    from all over every split, 32 of each at most. Without `plugins`, the offer is one of an installed package.

    Raises:
        AssertionError: the offer broke a promise.
        PluginError: there is no such offer.
        DocumentError: an option is wrong.
        DataError: the offer says that it cannot open the data.

    """
    hold("datasets", name, plugins or default_plugins(), options, lambda held, _: _prove(held, seed))


def _prove(options: Options, seed: int) -> None:
    data = _open(options, seed)
    prove_data(data)
    # not the first time, which imports, and an import may draw
    with randomness_left_alone("opening it", "draw from a generator of your own"):
        again, other = _open(options, seed), _open(options, seed + 1)
    _prove_again(data, again, seed)
    _prove_other_seed(data, other)
    prove_images(data)
    prove_memory(data)
    prove_workers(data)


def _open(options: Options, seed: int) -> ImageData:
    try:
        data = options.offer.make(options, seed)
    except ArchspecError:
        raise
    except Exception as error:
        raise Fault(f"opening it fails: {type(error).__name__}: {error}") from error
    if not isinstance(data, ImageData):
        raise Fault(f"it opens as {type(data).__name__}, not as archspec.data.ImageData")
    return data


def _prove_again(data: ImageData, again: ImageData, seed: int) -> None:
    """The same seed gives the same data set."""
    if again.classes != data.classes:
        raise Fault(f"opened twice with seed {seed}, it has other classes: {_ORDER}")
    if list(again.splits) != list(data.splits):
        raise Fault(f"opened twice with seed {seed}, it has other splits, or in another order: {_ORDER}")
    for split, index in data.splits.items():
        if index.fingerprint() != again.splits[split].fingerprint():
            what = f"its {split} split holds other images, labels or another order"
            raise Fault(f"opened twice with seed {seed}, {what}: {_ORDER}")


def _prove_other_seed(data: ImageData, other: ImageData) -> None:
    """Another seed moves images between drawn splits, and changes nothing else."""
    if (other.classes, set(other.splits)) != (data.classes, set(data.splits)):
        raise Fault("another seed gives it other classes or splits")
    if data.drawn:
        if _everything(data) != _everything(other):
            help = "the seed is for the splits alone"
            raise Fault(f"another seed gives it other images, and not just other splits of the same ones: {help}")
        return
    for split, index in data.splits.items():
        if index.fingerprint() != other.splits[split].fingerprint():
            help = "give ImageData drawn=True"
            raise Fault(f"another seed changes its {split} split, and it does not say that splits are `drawn`: {help}")


def _everything(data: ImageData) -> list[tuple[str, int]]:
    indexes = data.splits.values()
    return sorted(
        (index.name(position), int(index.labels[position])) for index in indexes for position in range(len(index))
    )
