"""Ctrl-C: exit code 130, no traceback, and a run directory that can be resumed or none.

Each signal comes while the run stands still: it opens an image, and stays there until the test lets it go on.
"""

import json
import signal
import sys

import pytest
from halting import Halting

from archspec.report import progress

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
KEPT = ("checkpoints/last/model.safetensors", "checkpoints/last/training.safetensors", "metrics.jsonl")
HEARD = "interrupted: this step is kept, and is the last; again ends at once"
IMAGES = "*/train/*.png"


def in_epoch(run):
    """At the twentieth image that the run reads."""
    return {"at": 20, "paths": IMAGES, "after": run / "run.json"}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_interrupted_after_its_first_checkpoint_can_be_resumed(cli, spec_file, photos, tmp_path, workers):
    """It is at the fifth image after its checkpoint; or each of two processes is."""
    run = tmp_path / "run"
    arguments = ["--data", f"imagefolder:{photos}", "--epochs", 3, "--batch-size", 8, "--workers", workers]
    event = {"at": 5, "paths": IMAGES, "after": run / "checkpoints/last/manifest.json"}
    event |= {"within": "workers" if workers else "first"}
    with Halting(tmp_path, "train", spec_file, *arguments, "--out", run, **event) as process:
        process.wait_until_it_stands(max(1, workers))
        process.signal_all(signal.SIGINT)
        process.wait_for_words(HEARD)
        process.let_go()
        assert process.wait() == 130, process.errors
        err = process.errors
    assert "Traceback" not in err
    assert f"archspec train --resume {run}" in err
    said = [line.strip() for line in err.splitlines() if line.strip().startswith("interrupted")]
    assert [line.partition(" archspec")[0] for line in said] == [HEARD, "interrupted; go on with:"]
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 1, "it ended within the second epoch"
    result = cli("train", "--resume", run, "--workers", 0, "--json")
    assert result.code == 0
    assert result.json["epochs"] == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_step_under_way_is_finished_and_kept(cli, spec_file, photos, tmp_path, number, code):
    """Within the first epoch, and as exactly as after one: the resumed run is that which was never interrupted."""
    arguments = ["--data", f"imagefolder:{photos}", "--epochs", 3, "--batch-size", 2, "--workers", 0]
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert cli("train", spec_file, *arguments, "--out", whole).code == 0
    with Halting(tmp_path, "train", spec_file, *arguments, "--out", run, **in_epoch(run)) as process:
        process.wait_until_it_stands()
        assert not (run / "checkpoints").exists()
        process.send_signal(number)
        process.wait_for_words(HEARD)
        process.let_go()
        assert process.wait() == code, process.errors
        err = process.errors
    assert "Traceback" not in err
    assert f"archspec train --resume {run}" in err
    kept = json.loads((run / "checkpoints/last/manifest.json").read_text())["progress"]
    assert (kept["epoch"], kept["batch"]) == (0, AT_IMAGE_20)
    assert cli("train", "--resume", run, "--workers", 0).code == 0
    for name in KEPT:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


AT_IMAGE_20 = 10
"""The twentieth image is the second one of the tenth batch."""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_at_once_and_leaves_no_directory_without_a_checkpoint(
    spec_file, photos, tmp_path, number, code
):
    """It does not wait for the step under way, which never ends here."""
    run = tmp_path / "run"
    data = ["--data", f"imagefolder:{photos}", "--batch-size", 2, "--workers", 0, "--out", run]
    with Halting(tmp_path, "train", spec_file, *data, **in_epoch(run)) as process:
        process.wait_until_it_stands()
        assert run.exists()
        process.send_signal(number)
        process.wait_for_words(HEARD)
        process.send_signal(number)
        assert process.wait() == code, process.errors
        assert "Traceback" not in process.errors
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
