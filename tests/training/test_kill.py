"""Twenty kills of real processes at random moments, with all that draws or averages, and the run ends as without."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from archspec.cli.app import run as archspec_run

KEPT = (
    "checkpoints/last/model.safetensors",
    "checkpoints/last/training.safetensors",
    "checkpoints/best/model.safetensors",
    "metrics.jsonl",
)
KILLS = 20
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


@pytest.fixture(scope="module")
def settings(spec_file, photos):
    recipe = {
        "mixup": 0.4,
        "cutmix": 1,
        "average": 0.95,
        "class_balance": "sampler",
        "accumulate": 2,
        "checkpoint_steps": 3,
        "clip_norm": 1,
        "evaluate_every": 2,
    }
    flags = [part for name, value in recipe.items() for part in ("--set", f"recipe.{name}={value}")]
    spec = ["--set", "defaults.drop_path=0.2", "--set", "head.dropout=0.2"]
    common = ["--data", f"imagefolder:{photos}", "--epochs", "40", "--batch-size", "4", "--seed", "3"]
    return [str(spec_file), *common, *spec, *flags]


def test_twenty_kills_change_nothing(settings, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, run, draw = tmp_path / "whole", tmp_path / "run", random.Random(0)
    command = [sys.executable, "-m", "archspec", "train"]
    subprocess.run([*command, *settings, "--workers", "0", "--out", str(whole)], env=environment, check=True)
    kills = 0
    while kills < KILLS:
        begun = (run / "checkpoints" / "last").exists() or (run / "checkpoints" / "last.before").exists()
        arguments = ["--resume", str(run)] if begun else [*settings, "--out", str(run)]
        workers = str(draw.choice([0, 0, 1, 2]))
        before = progress(run)
        with subprocess.Popen(
            [*command, *arguments, "--workers", workers],
            env=environment,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            while progress(run) == before and process.poll() is None:
                time.sleep(0.002)
            time.sleep(draw.random() * 0.15)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
            else:
                assert process.returncode == 0, process.stderr.read().decode()
                break
        if not begun and not (run / "checkpoints").exists():
            subprocess.run(["rm", "-rf", str(run)], check=True)
    assert kills >= 10, "the run must be killed many times before its end"
    assert archspec_run(["train", "--resume", str(run), "--workers", "0"]) == 0
    for name in KEPT:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


def progress(run):
    """What changes whenever a checkpoint is kept."""
    try:
        return (run / "checkpoints" / "last" / "manifest.json").stat().st_mtime_ns
    except OSError:
        return None
