"""Ctrl-C: exit code 130, no traceback, and a run directory that can be resumed or none."""

import os
import signal
import sys
import time

import pytest

from archspec.report import progress

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def wait_until(condition, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def interrupt(process):
    """As a terminal does: every process of the group gets the signal."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        _, err = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return err


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_interrupted_after_its_first_checkpoint_can_be_resumed(start, cli, spec_file, photos, tmp_path, workers):
    run = tmp_path / "run"
    arguments = [
        "--data",
        f"imagefolder:{photos}",
        "--epochs",
        60,
        "--batch-size",
        8,
        "--workers",
        workers,
        "--out",
        run,
    ]
    with start("train", spec_file, *arguments) as process:
        wait_until((run / "checkpoints/last/manifest.json").exists, process)
        err = interrupt(process)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert f"archspec train --resume {run}" in err
    assert len([line for line in err.splitlines() if line.strip().startswith("interrupted")]) == 1
    result = cli("train", "--resume", run, "--workers", 0, "--json")
    assert result.code == 0
    assert result.json["epochs"] == 60


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_interrupted_before_its_first_checkpoint_leaves_no_directory(start, photos, tmp_path, workers):
    """At 512 pixels, the first epoch takes far longer than the second that passes here."""
    run = tmp_path / "run"
    data = [f"--data=imagefolder:{photos}", f"--workers={workers}", f"--out={run}"]
    with start("train", "resnet18", "--set", "input.size=512", *data) as process:
        wait_until((run / "run.json").exists, process)
        time.sleep(1)
        err = interrupt(process)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "nothing is kept" in err
    assert not run.exists()


def test_a_run_interrupted_before_its_first_step_leaves_no_directory(cli, spec_file, photos, tmp_path, monkeypatch):
    """Between the run directory's beginning and the loop's there is a moment too."""

    def fail(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.TrainingProgress, "__init__", fail)
    data = f"imagefolder:{photos}"
    result = cli("train", spec_file, "--data", data, "--workers", 0, "--out", tmp_path / "run")
    assert result.code == 130
    assert list(tmp_path.iterdir()) == []
