"""How sure a share is that was measured on so many images."""

from __future__ import annotations

import math

import numpy as np

Interval = tuple[float, float]
"""The least and the greatest share that the measurement agrees with."""

LEVEL = 0.95
"""Of a hundred such intervals, about 95 hold the true share."""
_Z = 1.959963984540054
"""The normal distribution's quantile at (1 + LEVEL) / 2."""


def wilson(share: float, images: float) -> Interval:
    """(share + z^2/2n -+ z sqrt(share (1 - share) / n + z^2/4n^2)) / (1 + z^2/n), from 0 to 1.  Wilson 1927.

    Unlike share -+ z sqrt(share (1 - share) / n) it keeps within 0 and 1, and says something of 0 and of 1.
    """
    assert images > 0, "nothing was measured"
    centre = share + _Z**2 / (2 * images)
    half = _Z * math.sqrt(share * (1 - share) / images + _Z**2 / (4 * images**2))
    whole = 1 + _Z**2 / images
    low, high = (centre - half) / whole, (centre + half) / whole
    return (0.0 if share == 0 else max(low, 0.0)), (1.0 if share == 1 else min(high, 1.0))


def effective_images(hits: np.ndarray, supports: np.ndarray) -> float:
    """How many images, drawn from all classes alike, would tell the mean recall m as exactly: m (1 - m) / V.

    V = sum(r_c (1 - r_c) / n_c) / C^2 is the mean's variance, where r_c = (h_c + 2 m) / (n_c + 2) keeps a class of few
    images from passing for one that is sure; m (1 - m) sum(1 / n_c) / C^2, of classes that are equally hard, where that
    is more.  As of a sample by strata: Korn and Graubard 1998.  `hits` and `supports` (C,) are the right and all images
    of the classes that have any.
    """
    classes = len(supports)
    alike = classes**2 / float((1 / supports).sum())
    mean = float((hits / supports).mean())
    if not 0 < mean < 1:
        return alike
    recalls = (hits + 2 * mean) / (supports + 2)
    variance = float((recalls * (1 - recalls) / supports).sum()) / classes**2
    return min(alike, mean * (1 - mean) / variance)
