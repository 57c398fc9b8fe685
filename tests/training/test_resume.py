"""A run that was killed and resumed is the run that was not killed, bit for bit."""

import json
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
from halting import Halting

from archspec import files as training_files
from archspec.cli.app import run as archspec_run

KEPT = (
    "checkpoints/last/model.safetensors",
    "checkpoints/last/training.safetensors",
    "checkpoints/best/model.safetensors",
    "metrics.jsonl",
)


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


def assert_same_run(one, other):
    for name in KEPT:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.fixture(scope="module")
def settings(spec_file, photos):
    return [str(spec_file), "--data", f"imagefolder:{photos}", "--epochs", "30", "--batch-size", "12", "--seed", "5"]


@pytest.fixture(scope="module")
def uninterrupted(settings, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    assert archspec_run(["train", *settings, "--out", str(out), "--workers", "0"]) == 0
    return out


@pytest.fixture(scope="module")
def killed(settings, tmp_path_factory):
    """The same run in a process of its own, killed by SIGKILL at one of 63 images of its seventh epoch."""
    folder = tmp_path_factory.mktemp("killed")
    out = folder / "run"
    event = {"at": 6 * 63 + 30, "paths": "*/train/*.png", "after": out / "run.json", "die": True}
    with Halting(folder, "train", *settings, "--out", out, "--workers", "0", **event) as process:
        assert process.wait() == -signal.SIGKILL, process.errors
    assert len((out / "metrics.jsonl").read_bytes().splitlines()) == 6
    return out


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_killed_and_resumed_ends_bit_for_bit_as_one_that_was_not(killed, uninterrupted, tmp_path, train, workers):
    shutil.copytree(killed, tmp_path / "run")
    torch.manual_seed(workers)  # whatever was drawn before must not matter
    torch.set_num_threads(2)  # sums over more threads have other last bits, so the run's own number counts
    code, said, document = train("--resume", tmp_path / "run", workers=workers)
    assert code == 0
    assert torch.get_num_threads() == 1
    assert "resumed" in said
    assert document["epochs"] == 30
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_kill_at_any_rename_loses_nothing(train, train_new, tmp_path, monkeypatch):
    """Every moment at which a file or folder takes its place: die just before it, then resume."""
    arguments = ["--epochs", 3, "--batch-size", 32]
    assert train_new(*arguments, "--out", tmp_path / "whole")[0] == 0
    rename, replace = Path.rename, Path.replace
    for moment in range(1, 100):
        run, count = tmp_path / f"run{moment}", 0

        def die(call, run=run, moment=moment):
            def counted(path, target):
                nonlocal count
                count += str(run) in str(path)
                if count == moment:
                    raise Killed
                return call(path, target)

            return counted

        monkeypatch.setattr(Path, "rename", die(rename))
        monkeypatch.setattr(Path, "replace", die(replace))
        monkeypatch.setattr("archspec.training.run.Run.discard", lambda run: None)
        try:
            train_new(*arguments, "--out", run)
        except Killed:
            monkeypatch.undo()
        else:
            break
        if (run / "run.json").exists():
            assert train("--resume", run)[0] == 0
            assert_same_run(run, tmp_path / "whole")
    assert moment > 9


@pytest.mark.parametrize("error", [KeyboardInterrupt, PermissionError])
def test_a_checkpoint_is_not_thrown_away_by_what_happens_between_two_renames(
    train, train_new, tmp_path, monkeypatch, error
):
    """Ctrl-C, or a file that Windows will not let go of, in the moment at which there is no folder `last`."""
    rename, run = Path.rename, tmp_path / "run"

    def fail_once(path, target):
        if path.name == ".last.writing" and (run / "checkpoints" / "last.before").exists():
            monkeypatch.undo()
            raise error
        return rename(path, target)

    monkeypatch.setattr(training_files.Path, "rename", fail_once)
    try:
        code = train_new("--epochs", 3, "--out", run)[0]
        assert code in (1, 130)
    except PermissionError:
        pass
    assert run.exists(), "the first epoch's checkpoint was complete"
    assert train("--resume", run)[0] == 0


def test_a_last_line_cut_short_is_trained_again(uninterrupted, killed, tmp_path, train):
    run = tmp_path / "run"
    shutil.copytree(killed, run)
    with (run / "metrics.jsonl").open("ab") as stream:
        stream.write(b'{"epoch": 29, "st')
    assert train("--resume", run)[0] == 0
    assert_same_run(run, uninterrupted)


def test_a_finished_run_says_so_and_changes_nothing(uninterrupted, tmp_path, train):
    shutil.copytree(uninterrupted, tmp_path / "run")
    code, said, document = train("--resume", tmp_path / "run")
    assert code == 0
    assert "the run ended after 30 epochs" in said
    assert document["epochs"] == 30
    assert document["images_per_second"] is None
    assert_same_run(tmp_path / "run", uninterrupted)


def test_settings_given_again_may_be_the_same(uninterrupted, settings, tmp_path, train):
    shutil.copytree(uninterrupted, tmp_path / "run")
    assert train(*settings, "--resume", tmp_path / "run")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--lr", "0.3"], "recipe.optimizer.lr is 0.002 there, and 0.3 here"),
        (["--epochs", "50"], "recipe.epochs is 30 there, and 50 here"),
        (["--batch-size", "8"], "recipe.batch_size is 12 there, and 8 here"),
        (["--seed", "6"], "recipe.seed is 5 there, and 6 here"),
        (["--set", "recipe.augmentation.flip=0"], "recipe.augmentation.flip is 0.5 there, and 0"),
        (["--set", "stages.1.filters=24"], "stages[1].filters is 32 there, and 24 here"),
        (["--set", "input.size=24"], "input.size[0] is 16 there, and 24 here"),
        (["--recipe", "quick"], "is"),
        (["tiny"], "name is two-blocks there, and tiny here"),
        (["--data", "imagefolder:elsewhere"], "data.root is"),
        (["--set", "data.validation=0.3"], "data.validation is 0.15 there, and 0.3 here"),
    ],
)
def test_a_changed_setting_is_refused_and_named(uninterrupted, tmp_path, train, arguments, named):
    run = tmp_path / "run"
    shutil.copytree(uninterrupted, run)
    code, said, document = train(*arguments, "--resume", run)
    assert code == 1
    assert f"the run '{run}' has another setting" in said
    assert named in said
    assert document["ok"] is False
    assert_same_run(run, uninterrupted)


def test_another_place_to_write_to_is_refused(uninterrupted, tmp_path, train):
    code, said, _ = train("--resume", uninterrupted, "--out", tmp_path / "other")
    assert code == 1
    assert str(tmp_path / "other") in said


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("torch", "2.10.0", "was begun with torch 2.10.0; here is torch "),
        ("pillow", "12.2.0", "was begun with pillow 12.2.0; here is pillow "),
        (None, ["archspec-ghost 0.1"], "was begun with archspec-ghost 0.1; here is none of them"),
    ],
)
def test_other_versions_are_refused_unless_told(uninterrupted, tmp_path, train, key, value, said):
    run = tmp_path / "run"
    shutil.copytree(uninterrupted, run)
    info = json.loads((run / "run.json").read_text())
    if key is None:
        info["plugins"] = value
    else:
        info["versions"][key] = value
    (run / "run.json").write_text(json.dumps(info))
    code, message, _ = train("--resume", run)
    assert code == 1
    assert said in message
    assert "--other-versions" in message
    assert train("--resume", run, "--other-versions")[0] == 0
