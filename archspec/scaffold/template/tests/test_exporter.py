"""The exporter."""

import json
from pathlib import Path

import numpy as np
from archspec.testing import Runner, check_exporter


def test_it_keeps_its_promises() -> None:
    check_exporter("$name")
    check_exporter("$name", options={"compressed": True})


def test_a_run_is_exported(archspec_run: Runner, tiny_photos: Path) -> None:
    few = ("--data", f"imagefolder:{tiny_photos}", "--epochs", 1, "--workers", 0)
    result = archspec_run("train", "tiny", *few, "--out", "run")
    assert result.code == 0, result.stderr
    result = archspec_run("export", "run", "--to", "$name")
    assert result.code == 0, result.stderr
    with np.load("run.npz") as archive:
        assert archive["head.linear.weight"].shape[0] == 3
        assert json.loads(str(archive["archspec"]))["classes"] == ["blue", "green", "red"]
