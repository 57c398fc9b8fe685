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


def test_kills_while_features_are_kept_leave_none_in_use(spec_file, tmp_path):
    draw = random.Random(0)
    settings = [str(spec_file), "--data", "fake", "--set", "data.images=3000", "--workers", "0", "--epochs", "2"]
    settings += ["--freeze", "until:stages.1", "--set", "recipe.features=disk", "--set", "recipe.mirror=true"]
    command = [sys.executable, "-m", "archspec", "train", *settings]
    caches = {name: tmp_path / f"cache-{name}" for name in ("whole", "run")}
    whole, run = ({**os.environ, "OMP_NUM_THREADS": "1", "ARCHSPEC_CACHE": str(path)} for path in caches.values())
    subprocess.run([*command, "--out", str(tmp_path / "whole")], env=whole, check=True)
    features = caches["run"] / "features"
    for _ in range(4):
        with subprocess.Popen(
            [*command, "--out", str(tmp_path / "run")], env=run, stderr=subprocess.PIPE, start_new_session=True
        ) as process:
            while process.poll() is None and not list(features.glob(f"*.{process.pid}.*")):
                time.sleep(0.002)
            time.sleep(draw.random() * 0.2)
            assert process.poll() is None, "it is killed while it fills"
            os.killpg(process.pid, signal.SIGKILL)
        assert not [path for path in features.iterdir() if not path.name.endswith(".filling")]
        subprocess.run(["rm", "-rf", str(tmp_path / "run")], check=True)
    subprocess.run([*command, "--out", str(tmp_path / "run")], env=run, check=True)
    for name in KEPT:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not list(features.glob("*.filling")), "what the dead left is taken away"
