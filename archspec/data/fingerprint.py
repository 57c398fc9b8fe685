"""What tells images apart by their looks: a hash of 64 bits, a small grey picture, and a smaller one of its tints."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE, TINTS = 16, 8
"""Pixels a side of the small grey picture, and of the tints."""
_FAINT = 4.0
"""Tints that deviate less from grey (of 128 levels, on average) are taken for this much."""
BLANK = 2.0
"""A small picture whose grey levels (0 to 255) deviate less is of one colour: its hash would be noise."""
_DCT = np.cos(np.pi * np.outer(np.arange(8), 2 * np.arange(32) + 1) / 64)
"""(8, 32): the eight lowest frequencies of the discrete cosine transform (type II) of 32 values."""


def small_picture(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """The brightness and the tints of an RGB image, each pixel the mean of what it covers.

    Returns (32, 32) of float64, 0 to 255, and blue and red against brightness: (2, 8, 8) of int8, 0 for grey.
    """
    small = image.resize((32, 32), Image.Resampling.BOX, reducing_gap=2.0).convert("YCbCr")
    brightness, *tints = np.asarray(small, dtype=np.float64).transpose(2, 0, 1)
    blocks = np.stack(tints).reshape(2, TINTS, 32 // TINTS, TINTS, 32 // TINTS).mean((2, 4))
    return brightness, np.rint(blocks - 128).astype(np.int8)


def perceptual_hash(grey: np.ndarray) -> int:
    """(32, 32) -> 64 bits: which of the 8 x 8 lowest frequencies are above their median.  Zauner 2010, pHash.

    The first bit, of the mean brightness, is always 0. What keeps an image's looks moves few bits: another size,
    stronger compression, other contrast.
    """
    frequencies = (_DCT @ grey @ _DCT.T).ravel()
    bits = frequencies > np.median(frequencies[1:])
    bits[0] = False
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def thumbnail(grey: np.ndarray) -> np.ndarray:
    """(32, 32) -> (16, 16) of uint8, each pixel the mean of four."""
    means: np.ndarray = grey.reshape(SIDE, 2, SIDE, 2).mean((1, 3))
    return np.asarray(np.rint(means), dtype=np.uint8)


def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, 16, 16) and (N, 16, 16) -> (N,): how alike pictures are whatever their brightness and contrast, at most 1."""
    pairs = []
    for pictures in (first, second):
        values = pictures.reshape(len(pictures), SIDE * SIDE).astype(np.float32)
        values -= values.mean(1, keepdims=True)
        pairs.append(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6))
    return np.asarray(np.einsum("ij,ij->i", *pairs))


def tint_difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N, 2, 8, 8) and (N, 2, 8, 8) -> (N,): by what share tints differ, whatever their strength; 0 is not at all."""
    ours, theirs = (tints.reshape(len(tints), 2 * TINTS * TINTS).astype(np.float32) for tints in (first, second))
    strength = np.maximum(np.linalg.norm(ours, axis=1), np.linalg.norm(theirs, axis=1))
    return np.asarray(np.linalg.norm(ours - theirs, axis=1) / np.maximum(strength, _FAINT * TINTS * np.sqrt(2)))
