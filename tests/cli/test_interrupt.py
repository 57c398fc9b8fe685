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
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert f"archspec train --resume {run}" in err
    said = [line.strip() for line in err.splitlines() if line.strip().startswith("interrupted")]
    assert [line.partition(" archspec")[0] for line in said] == [
        "interrupted: this step is kept, and is the last; again ends at once",
        "interrupted; go on with:",
    ]
    result = cli("train", "--resume", run, "--workers", 0, "--json")
    assert result.code == 0
    assert result.json["epochs"] == 60


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_step_under_way_is_finished_and_kept(start, cli, spec_file, photos, tmp_path, number, code):
    """Within the first epoch, and as exactly as after one: the resumed run is that which was never interrupted."""
    arguments = ["--data", f"imagefolder:{photos}", "--epochs", 3, "--batch-size", 2, "--workers", 0]
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert cli("train", spec_file, *arguments, "--out", whole).code == 0
    with start("train", spec_file, *arguments, "--out", run) as process:
        wait_until((run / "run.json").exists, process)
        time.sleep(0.3)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in err
    assert "this step is kept, and is the last" in err
    assert f"archspec train --resume {run}" in err
    assert cli("train", "--resume", run, "--workers", 0).code == 0
    for name in ("checkpoints/last/model.safetensors", "checkpoints/last/training.safetensors", "metrics.jsonl"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_at_once_and_leaves_no_directory_without_a_checkpoint(
    start, photos, tmp_path, number, code
):
    """At 512 pixels, a step takes some seconds."""
    run = tmp_path / "run"
    data = [f"--data=imagefolder:{photos}", "--workers=0", f"--out={run}"]
    with start("train", "resnet18", "--set", "input.size=512", "--batch-size", 16, *data) as process:
        wait_until((run / "run.json").exists, process)
        time.sleep(0.5)
        process.send_signal(number)
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert time.monotonic() - began < 30
    assert process.returncode == code
    assert "Traceback" not in err
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
