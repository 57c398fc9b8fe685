"""Where images lie: files below a folder, or arrays. A source is arrays, too, whatever the number of its images."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from archspec.data.decode import convert_image, image_size, read_image
from archspec.data.reading import Reading


class ImageSource(ABC):
    """Images by number. It is pickled into every loader process, so it holds arrays and settings alone."""

    root: Path
    """The folder or file that messages name."""

    @abstractmethod
    def __len__(self) -> int:
        """How many images there are."""

    @abstractmethod
    def name(self, number: int) -> str:
        """What messages and reports call an image: its file, or its place in an array."""

    @abstractmethod
    def read(self, number: int, reading: Reading) -> Image.Image:
        """The pixels of an image, upright, in the mode of the reading.

        Raises:
            DataError: it cannot be read; it names the image.

        """

    @abstractmethod
    def digest(self, numbers: np.ndarray) -> bytes:
        """Digits that tell these images from others, by what names them."""

    @abstractmethod
    def size(self, number: int) -> tuple[int, int]:
        """Width and height of an upright image, which takes no decoding.

        Raises:
            DataError: it is no image; it names it.

        """

    def prepare(self) -> None:  # noqa: B027  # most sources have nothing to do
        """An epoch is about to begin. Raises `DataError` where it cannot."""

    def settle(self) -> None:  # noqa: B027
        """An epoch has asked for every image, but perhaps a few."""

    def file(self, number: int) -> Path | None:
        """The file that holds just this image, if one does."""
        return None


class ImageFiles(ImageSource):
    """Image files, by their paths below `root`."""

    def __init__(self, root: Path, paths: Sequence[str]) -> None:
        self.root = root
        self._paths = np.array([os.fsencode(path) for path in paths], dtype=np.bytes_)

    def __len__(self) -> int:
        return len(self._paths)

    def name(self, number: int) -> str:
        return str(self.file(number))

    def file(self, number: int) -> Path:
        return self.root / os.fsdecode(bytes(self._paths[number]))

    def read(self, number: int, reading: Reading) -> Image.Image:
        return read_image(self.file(number), reading)

    def size(self, number: int) -> tuple[int, int]:
        return image_size(self.file(number))

    def digest(self, numbers: np.ndarray) -> bytes:
        return hashlib.sha256(b"\0".join(self._paths[numbers].tolist())).digest()


class ImageArray(ImageSource):
    """Decoded images of one size: (N, H, W) or (N, H, W, C) of uint8."""

    def __init__(self, root: Path, pixels: np.ndarray) -> None:
        assert pixels.dtype == np.uint8, "pixels must be uint8"
        assert pixels.ndim in (3, 4), "pixels must be (N, H, W) or (N, H, W, C)"
        self.root, self.pixels = root, pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def name(self, number: int) -> str:
        return f"{self.root}[{number}]"

    def read(self, number: int, reading: Reading) -> Image.Image:
        return convert_image(Image.fromarray(self.pixels[number]), reading)

    def size(self, number: int) -> tuple[int, int]:
        height, width = self.pixels.shape[1:3]
        return width, height

    def digest(self, numbers: np.ndarray) -> bytes:
        return hashlib.sha256(np.ascontiguousarray(self.pixels[numbers]).data).digest()


class JoinedSources(ImageSource):
    """The images of several sources, one after another."""

    def __init__(self, sources: Sequence[ImageSource]) -> None:
        self.root = sources[0].root
        self.sources = tuple(sources)
        self.starts = np.cumsum([0, *map(len, sources)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def _find(self, number: int) -> tuple[ImageSource, int]:
        place = int(np.searchsorted(self.starts, number, side="right")) - 1
        return self.sources[place], number - int(self.starts[place])

    def name(self, number: int) -> str:
        source, own = self._find(number)
        return source.name(own)

    def file(self, number: int) -> Path | None:
        source, own = self._find(number)
        return source.file(own)

    def read(self, number: int, reading: Reading) -> Image.Image:
        source, own = self._find(number)
        return source.read(own, reading)

    def size(self, number: int) -> tuple[int, int]:
        source, own = self._find(number)
        return source.size(own)

    def digest(self, numbers: np.ndarray) -> bytes:
        parts = zip(self.sources, self.starts, self.starts[1:], strict=False)
        own = [source.digest(numbers[(numbers >= at) & (numbers < end)] - at) for source, at, end in parts]
        return hashlib.sha256(b"".join(own)).digest()
