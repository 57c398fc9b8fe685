"""The command line in this process, a small folder of images, and a trained run."""

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

from archspec.cli.app import run

# 16 channels at least: torch 2.14 corrupts its heap on CPUs in the backward pass of a 1x1 convolution of stride 2 with
# fewer, when batches differ in size.
SPEC = """name: two-blocks
input: {channels: 3, size: 16}
stem: {type: conv, filters: 16, kernel: 3, strides: 1}
stages:
  - {block: basic, filters: 16, strides: 2, repeats: 1}
  - {block: basic, filters: 32, strides: 2, repeats: 1}
head: {type: classifier, classes: 10}
"""


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        """Standard output, which must be one JSON document as every reader takes it, and nothing else."""

        def refuse(constant):
            raise AssertionError(f"{constant} is no JSON")

        return json.loads(self.out, parse_constant=refuse)


def call(*arguments):
    """Run `archspec` in this process. An exception that is not an error of the user's comes through."""
    out, err = io.StringIO(), io.StringIO()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # such small networks gain nothing from more
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([str(argument) for argument in arguments])
    finally:
        torch.set_num_threads(threads)
    return Result(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def cli():
    return call


@pytest.fixture(scope="session")
def start():
    """Starts `python -m archspec` as a process of its own group, as a terminal does."""

    def popen(*arguments, **options):
        command = [sys.executable, "-m", "archspec", *map(str, arguments)]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        options["env"] = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, start_new_session=True, **options)

    return popen


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
    path.write_text(SPEC)
    return path


@pytest.fixture(scope="session")
def training(spec_file, photos, tmp_path_factory):
    """The run directory of two epochs, and what `train --json` gave."""
    out = tmp_path_factory.mktemp("runs") / "run"
    data = f"imagefolder:{photos}"
    result = call("train", spec_file, "--data", data, "--epochs", 2, "--workers", 0, "--out", out, "--json")
    assert result.code == 0, result.err
    return out, result


@pytest.fixture(scope="session")
def trained(training):
    return training[0]


@pytest.fixture
def in_empty_folder(tmp_path, monkeypatch):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
