"""Images from disk to batches. A data set's offer returns `ImageData`; these are the names that it is made with."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archspec.data.decode import convert_image
    from archspec.data.index import ImageData, ImageIndex
    from archspec.data.reading import Reading
    from archspec.data.sources import ImageArray, ImageFiles, ImageSource
    from archspec.data.splits import draw_splits

_HOMES = {
    "ImageArray": "archspec.data.sources",
    "ImageData": "archspec.data.index",
    "ImageFiles": "archspec.data.sources",
    "ImageIndex": "archspec.data.index",
    "ImageSource": "archspec.data.sources",
    "Reading": "archspec.data.reading",
    "convert_image": "archspec.data.decode",
    "draw_splits": "archspec.data.splits",
}

__all__ = [
    "ImageArray",
    "ImageData",
    "ImageFiles",
    "ImageIndex",
    "ImageSource",
    "Reading",
    "convert_image",
    "draw_splits",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:  # loaded when asked for, so that settings models cost no numpy
        raise AttributeError(f"module 'archspec.data' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
