"""Images from disk to batches. A data set's offer returns `ImageData`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archspec.data.index import ImageData, ImageIndex

__all__ = ["ImageData", "ImageIndex"]


def __getattr__(name: str) -> Any:
    if name not in __all__:  # loaded when asked for, so that settings models cost no numpy
        raise AttributeError(f"module 'archspec.data' has no attribute '{name}'")
    return getattr(import_module("archspec.data.index"), name)
