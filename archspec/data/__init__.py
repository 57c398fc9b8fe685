"""Images from disk to batches. A data set's offer returns `ImageData`."""

from archspec.data.index import ImageData, ImageIndex

__all__ = ["ImageData", "ImageIndex"]
