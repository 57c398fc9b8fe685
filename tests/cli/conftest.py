"""The command line in this process, a small folder of images, and a trained run."""

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch

from archspec.cli.app import run


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
