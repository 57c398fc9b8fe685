"""Several processes and one run directory; and data that changes under a run."""

import shutil

import pytest

from archspec.errors import DataError, RunError
from archspec.training.keeping import fit
from archspec.training.run import lock_run, open_run


def test_one_process_at_a_time_trains_in_a_run(session_of, plugins, train):
    session = session_of("epochs=1")
    list(fit(session))
    lock = lock_run(open_run(session.run.path, plugins))
    with pytest.raises(RunError, match="another process is training"):
        lock_run(session.run)
    code, said, _ = train("--resume", session.run.path)
    assert code == 1
    assert "another process is training" in said
    lock.release()
    assert train("--resume", session.run.path)[0] == 0


def test_a_run_that_began_with_other_images_is_not_resumed(session_of, photos, tmp_path, plugins, train):
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    assert train("tiny", "--data", f"imagefolder:{folder}", "--epochs", 1, "--out", tmp_path / "run")[0] == 0
    first = next(path for path in sorted((folder / "train").rglob("*")) if path.is_file())
    shutil.copy(first, first.with_name("one-more" + first.suffix))
    code, said, _ = train("--resume", tmp_path / "run")
    assert code == 1
    assert "train split is not the one" in said


def test_splits_drawn_from_a_folder_that_has_grown_are_not_evaluated(photos, tmp_path, train, capsys):
    """A test split drawn anew could hold images that the network was trained on."""
    from archspec.cli.app import run

    folder = tmp_path / "classes"
    for position, path in enumerate(sorted(path for path in photos.rglob("*") if path.is_file())):
        target = folder / path.parent.name / f"{position}{path.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert train("tiny", "--data", f"imagefolder:{folder}", "--epochs", 1, "--out", tmp_path / "run")[0] == 0
    assert run(["eval", str(tmp_path / "run"), "--workers", "0"]) == 0
    for class_folder in folder.iterdir():
        shutil.copy(next(class_folder.iterdir()), class_folder / "one-more.png")
    assert run(["eval", str(tmp_path / "run"), "--workers", "0"]) == 1
    assert "is not the one that" in capsys.readouterr().err
    assert (
        run(["eval", str(tmp_path / "run"), "--workers", "0", "--data", f"imagefolder:{folder}", "--split", "all"]) == 1
    )


def test_the_error_names_the_split(session_of, tmp_path):
    from dataclasses import replace

    from archspec.training.run import refuse_other_images

    session = session_of("epochs=1")
    smaller = session.data.splits["train"].select(session.data.splits["train"].labels.argsort()[:-1])
    changed = replace(session.data, splits={**session.data.splits, "train": smaller})
    refuse_other_images(session.run, session.data, ("train", "validation"))
    with pytest.raises(DataError, match="train split"):
        refuse_other_images(session.run, changed, ("train", "validation"))
