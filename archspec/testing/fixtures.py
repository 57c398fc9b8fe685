"""Fixtures of pytest for authors of plugins: a runner for whole commands, a folder of images, plugins by module.

A project's `tests/conftest.py` imports those that it wants:

    from archspec.testing.fixtures import archspec_plugins, archspec_run, tiny_photos

They are not found by themselves: pytest would import this, and torch with it, in every project of the environment.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.plugins import Plugins
from archspec.testing.runner import Runner

__all__ = ["archspec_plugins", "archspec_run", "tiny_photos"]

_CLASSES = ("blue", "green", "red")
_COUNTS = {"train": 12, "validation": 6, "test": 6}
_SIDE = 24


@pytest.fixture
def archspec_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs whole commands: `archspec_run("check", "a.yaml", "--json").json`. The current folder is `tmp_path` then.

    `child=True` runs one in a process of its own.
    """
    monkeypatch.chdir(tmp_path)
    return Runner()


@pytest.fixture
def archspec_plugins() -> Callable[..., Plugins]:
    """`archspec_plugins("archspec_ghost")`: the built-ins and these modules alone, whatever else is installed."""
    return lambda *modules: Plugins(modules, installed=False)


@pytest.fixture(scope="session")
def tiny_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images of 24x24 px for `--data imagefolder:FOLDER`: three classes of noise, each with a tint.

    Of each class, 12 to train on, 6 for validation, 6 for test. All tests share it: copy what you change.
    """
    root = tmp_path_factory.mktemp("tiny_photos")
    for split, count in _COUNTS.items():
        for label, name in enumerate(_CLASSES):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                generator = np.random.default_rng([label, number, *split.encode()])
                pixels = generator.integers(0, 128, (_SIDE, _SIDE, 3), dtype=np.uint8)
                pixels[..., 2 - label] += 96
                Image.fromarray(pixels).save(root / split / name / f"{number:02d}.png")
    return root
