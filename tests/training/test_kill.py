"""Twenty kills of real processes, each at another file, with all that draws or averages: the run ends as without."""

import shutil
import signal
import sys

import pytest
from halting import CHANGES, Halting

from archspec.cli.app import run as archspec_run
from archspec.files import before

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
    """Each comes at another change of the run's folder: before there is one, within a checkpoint, between two."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    last = run / "checkpoints" / "last"
    assert archspec_run(["train", *settings, "--workers", "0", "--out", str(whole)]) == 0
    for kill in range(KILLS):
        begun = any(path.exists() for path in (last, before(last)))
        if not begun:  # as its owner does with what a kill within the first checkpoint leaves
            shutil.rmtree(run, ignore_errors=True)
        arguments = ["--resume", run] if begun else [*settings, "--out", run]
        event = {"at": 1 + 4 * kill, "paths": f"{run}*", "events": CHANGES, "writing": True, "within": "first"}
        with Halting(tmp_path, "train", *arguments, "--workers", (0, 0, 1, 2)[kill % 4], **event, die=True) as process:
            assert process.wait() == -signal.SIGKILL, process.errors
    assert archspec_run(["train", "--resume", str(run), "--workers", "0"]) == 0
    for name in KEPT:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


def test_kills_while_features_are_kept_leave_none_in_use(spec_file, tmp_path, monkeypatch):
    """Between their files, within them, and when only the name is missing."""
    settings = [str(spec_file), "--data", "fake", "--set", "data.images=300", "--workers", "0", "--epochs", "2"]
    settings += ["--freeze", "until:stages.1", "--set", "recipe.features=disk", "--set", "recipe.mirror=true"]
    whole, run = tmp_path / "whole", tmp_path / "run"
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "cache-whole"))
    assert archspec_run(["train", *settings, "--out", str(whole)]) == 0
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "cache"))
    features = tmp_path / "cache" / "features"
    for at, event in ((2, "open"), (5, "open"), (12, "open"), (1, "os.rename")):
        event = {"at": at, "paths": f"{features}/*.filling*", "events": (event,), "die": True}
        with Halting(tmp_path, "train", *settings, "--out", run, **event) as process:
            assert process.wait() == -signal.SIGKILL, process.errors
        left = list(features.iterdir())
        assert left
        assert all(path.name.endswith(".filling") for path in left)
        shutil.rmtree(run)
    assert archspec_run(["train", *settings, "--out", str(run)]) == 0
    for name in KEPT:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(features.glob("*.filling")), "what the dead left is taken away"
