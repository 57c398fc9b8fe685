"""Small folders of images, made by numpy and Pillow alone."""

import numpy as np
import pytest
from PIL import Image


def noise(seed, size=(24, 24), channels=3):
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)


@pytest.fixture
def make_folder(tmp_path):
    """{"train/cat": 3} -> a folder with three PNGs of noise in train/cat. Returns the folder."""

    def make(layout, name="images"):
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        for number, (folder, count) in enumerate(layout.items()):
            (root / folder).mkdir(parents=True, exist_ok=True)
            for image in range(count):
                Image.fromarray(noise(1000 * number + image)).save(root / folder / f"{image:03d}.png")
        return root

    return make
