"""The data set."""

import shutil
from pathlib import Path

import pytest
from archspec.testing import Runner, check_dataset


@pytest.fixture
def folder(tiny_photos: Path, tmp_path: Path) -> Path:
    """Some images, named as the data set has them."""
    target = tmp_path / "images"
    target.mkdir()
    for photo in tiny_photos.glob("train/*/*"):
        shutil.copy(photo, target / f"{photo.parent.name}_{photo.name}")
    return target


def test_it_keeps_its_promises(folder: Path) -> None:
    check_dataset("$name", options={"root": str(folder)})


def test_it_can_be_looked_at(folder: Path, archspec_run: Runner) -> None:
    result = archspec_run("data", "inspect", f"$name:{folder}", "--json")
    assert result.code == 0, result.stderr


def test_a_folder_that_is_not_there_is_said(archspec_run: Runner) -> None:
    result = archspec_run("data", "inspect", "$name:nowhere")
    assert result.code == 1
    assert "nowhere' is no folder" in result.stderr
