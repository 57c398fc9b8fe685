"""What several test files share: specs written to a file, golden files, the reference folder."""

import os
from pathlib import Path

import numpy as np
import pytest
from default_signals import restore_default_signals
from hypothesis import HealthCheck, settings
from PIL import Image

import archspec
from archspec.errors import DocumentError

restore_default_signals()
settings.register_profile("clockless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("clockless")
ROOT = Path(__file__).resolve().parent.parent
SMALL = """name: small
input: {channels: 3, size: 32}
stem: {type: conv, filters: 16, kernel: 3, strides: 1}
stages:
  - {block: basic, filters: 16, strides: 2, repeats: 1}
  - {block: basic, filters: 32, strides: 2, repeats: 1}
  - {block: basic, filters: 64, strides: 2, repeats: 1}
head: {type: classifier, classes: 10}
"""

# 16 channels at least: torch 2.14 corrupts its heap on CPUs in the backward pass of a 1x1 convolution of stride 2 with
# fewer, when batches differ in size.
TWO_BLOCKS = """name: two-blocks
input: {channels: 3, size: 16}
stem: {type: conv, filters: 16, kernel: 3, strides: 1}
stages:
  - {block: basic, filters: 16, strides: 2, repeats: 1}
  - {block: basic, filters: 32, strides: 2, repeats: 1}
head: {type: classifier, classes: 10}
"""


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def shared():
    """The folder of reference figures and weights, which is not part of the repository."""
    return Path(os.environ.get("SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def small_text():
    """A small network that no change of the zoo touches."""
    return SMALL


@pytest.fixture(scope="session")
def small_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def write_spec(tmp_path):
    """Writes text or bytes as a spec file, and returns its path."""

    def write(content, name="spec.yaml"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def faults(write_spec):
    """The diagnostics of a broken spec, from its text and its overrides."""

    def read(content, *overrides):
        with pytest.raises(DocumentError) as caught:
            archspec.plan_network(archspec.load_spec(write_spec(content), overrides))
        return caught.value.diagnostics

    return read


@pytest.fixture
def network_of(write_spec):
    """A spec text -> the compiled network."""
    return lambda content, *overrides: archspec.build_network(archspec.load_spec(write_spec(content), overrides))


@pytest.fixture(scope="session")
def compare_with_golden():
    """Compares text with a golden file; ARCHSPEC_UPDATE_GOLDEN=1 rewrites the file instead."""

    def compare(file, text):
        if os.environ.get("ARCHSPEC_UPDATE_GOLDEN") == "1":
            file.write_text(text)
        assert file.is_file(), f"{file} is missing: ARCHSPEC_UPDATE_GOLDEN=1 writes it"
        assert text == file.read_text()

    return compare


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Three classes of noise, each tinted: 21 images a class to train on, 7 for validation, 5 for test."""
    root = tmp_path_factory.mktemp("photos")
    for split, count in (("train", 21), ("val", 7), ("test", 5)):
        for label, name in enumerate(("blue", "green", "red")):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.random.default_rng([label, number, count]).integers(0, 200, (24, 24, 3), dtype=np.uint8)
                pixels[..., label] //= 2
                Image.fromarray(pixels).save(root / split / name / f"{number:02d}.png")
    return root


@pytest.fixture(scope="session")
def spec_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("specs") / "two-blocks.yaml"
    path.write_text(TWO_BLOCKS)
    return path
