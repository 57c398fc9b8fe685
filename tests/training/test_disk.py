"""A disk that fills up, and folders that cannot be written: a plain message, nothing half-written, nothing lost."""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from halting import Halting

from archspec.errors import RunError
from archspec.training.checkpoint import check_files
from archspec.training.run import Run

KEPT = (
    "checkpoints/last/model.safetensors",
    "checkpoints/last/training.safetensors",
    "checkpoints/best/model.safetensors",
    "metrics.jsonl",
)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system in memory")


@pytest.fixture
def disk(tmp_path):
    """`disk("3m")` -> an empty file system of that size."""
    place, mounted = tmp_path / "disk", False

    def mount(size):
        nonlocal mounted
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a file system cannot be mounted here")
        mounted = True
        return place

    yield mount
    if mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def freeze(place):
    """Permissions do not hold root back; a file system that is read-only does."""
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)


def fill(place):
    """Take all room."""
    with (place / "ballast").open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))


def in_epoch(number, run):
    """One of the 63 images of an epoch."""
    return {"at": 63 * (number - 1) + 30, "paths": "*/train/*.png", "after": run / "run.json"}


@pytest.fixture
def settings(spec_file, photos):
    return [str(spec_file), "--data", f"imagefolder:{photos}", "--epochs", "30", "--batch-size", "12", "--seed", "5"]


@pytest.fixture
def start():
    """Starts `archspec train` as a process of its own."""

    def popen(*arguments):
        command = [sys.executable, "-m", "archspec", "train", *map(str, arguments), "--workers", "0"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)

    return popen


def assert_refused(process, *said):
    """One plain error in the end, and exit code 1; returns the error."""
    with process:
        told = process.stderr.read()
    return assert_plain(process.returncode, told, *said)


def assert_plain(code, told, *said):
    assert code == 1, told
    assert "Traceback" not in told
    assert len(re.findall("^error: ", told, re.MULTILINE)) == 1
    for text in said:
        assert text in told
    return told


def assert_whole(run):
    """Every file of a run is one that can be read to its end, and the last checkpoint is as its manifest says."""
    check_files(run / "checkpoints" / "last")
    assert not [path for path in run.rglob("*") if "writing" in path.name]
    for name in ("metrics.jsonl", "times.jsonl"):
        text = (run / name).read_text()
        assert text.endswith("\n")
        assert all(json.loads(line)["epoch"] for line in text.splitlines())
    assert json.loads((run / "run.json").read_text())


def test_a_disk_that_fills_up_ends_the_run_plainly_and_nothing_is_lost(disk, settings, start, train, tmp_path):
    place = disk("3m")
    run = place / "run"
    with Halting(tmp_path, "train", *settings, "--workers", 0, "--out", run, **in_epoch(5, run)) as process:
        process.wait_until_it_stands()
        fill(place)
        process.let_go()
        told = assert_plain(process.wait(), process.errors, "cannot be written", "No space left on device")
    assert "'" + str(run) in told
    assert_whole(run)
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert_refused(start("--resume", run), "cannot be written", "No space left on device")
    assert_whole(run)
    last = run / "checkpoints" / "last"
    assert all(path.read_bytes() == content for path, content in kept.items() if last in path.parents)
    (place / "ballast").unlink()
    assert train("--resume", run)[0] == 0
    assert train(*settings, "--out", tmp_path / "whole")[0] == 0
    for name in KEPT:
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_too_little_room_from_the_first_is_told_before_the_run(disk, settings, start):
    place = disk("200k")
    assert_refused(start(*settings, "--out", place / "run"), "checkpoints need", "MB are free", "make room")
    assert not list(place.iterdir())


def test_a_line_that_does_not_fit_is_not_begun(disk):
    """The room ends within a line, as pages do not end with lines."""
    run = Run(disk("40k"), None, None, None, None)
    with pytest.raises(RunError, match=r"'.*metrics.jsonl' cannot be written: No space left on device"):
        append_for_ever(run)
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(len(lines)))
    assert len(lines) > 100


def append_for_ever(run):
    for number in itertools.count():
        run.append("metrics.jsonl", {"epoch": number, "filling": "x" * (number % 97)})


def test_a_file_that_does_not_fit_leaves_the_old_one_and_nothing_beside(disk):
    run = Run(disk("40k"), None, None, None, None)
    for number in range(100):
        run.append("metrics.jsonl", {"epoch": number, "filling": "x" * 200})
    before = (run.path / "metrics.jsonl").read_bytes()
    with pytest.raises(RunError, match="cannot be written: No space left on device"):
        run.forget_after(98)
    assert (run.path / "metrics.jsonl").read_bytes() == before
    assert [path.name for path in run.path.iterdir()] == ["metrics.jsonl"]
    freeze(run.path)
    run.forget_after(99)  # there is nothing to forget


def test_a_read_only_place_for_a_run_is_refused(disk, settings, start):
    place = disk("3m")
    freeze(place)
    for out in (place, place / "runs" / "first"):
        told = assert_refused(start(*settings, "--out", out))
        assert f"error: the run directory '{out}' cannot be written: Read-only file system" in told
    assert not list(place.iterdir())


def test_a_run_that_became_read_only_is_refused_as_it_is_and_goes_on_when_it_is_not(
    disk, settings, start, train, tmp_path
):
    place = disk("3m")
    run = place / "run"
    event = {**in_epoch(5, run), "die": True}
    with Halting(tmp_path, "train", *settings, "--workers", 0, "--out", run, **event) as process:
        assert process.wait() == -signal.SIGKILL, process.errors
    freeze(place)
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    told = assert_refused(start("--resume", run))
    assert f"error: the run directory '{run}' cannot be written: Read-only file system" in told
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == kept
    subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
    assert train("--resume", run)[0] == 0
    assert train(*settings, "--out", tmp_path / "whole")[0] == 0
    for name in KEPT:
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not hold root back")
def test_a_folder_without_the_permission_to_write_is_refused(tmp_path, settings, start):
    (tmp_path / "runs").mkdir(mode=0o555)
    assert_refused(start(*settings, "--out", tmp_path / "runs" / "first"), "cannot be written: Permission denied")
