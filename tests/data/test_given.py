"""Files, folders and patterns as a command line gives them, against a shell."""

import shutil
import subprocess

import pytest

from archspec.data.given import given_images
from archspec.errors import DataError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A tree of empty files; none is opened."""
    for name in ("a.jpg", "b.JPG", "notes.txt", ".hidden.jpg", "cat/1.jpg", "cat/2.png", "cat/deep/3.jpg", "[1].jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.jpg").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.skipif(not shutil.which("bash"), reason="needs a shell")
@pytest.mark.parametrize("pattern", ["*.jpg", "**/*.jpg", "cat/**/*.*", "?.jpg", "[ab].*", "./cat/*.p*", "**"])
def test_a_pattern_matches_what_a_shell_does(here, pattern):
    script = f'shopt -s globstar; for name in {pattern}; do test -f "$name" && echo "${{name#./}}"; done'
    by_shell = subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout.split()
    assert sorted(given_images(pattern)) == sorted(name for name in by_shell if not name.endswith(".txt"))
    assert given_images(pattern) == sorted(given_images(pattern))


def test_an_absolute_pattern_gives_absolute_files(here):
    assert given_images(f"{here}/cat/*.jpg") == [f"{here}/cat/1.jpg"]


def test_a_pattern_may_begin_with_the_home_folder(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    assert given_images("~/cat/*.png") == [f"{here}/cat/2.png"]


def test_a_file_may_be_called_like_a_pattern(here):
    assert given_images("[1].jpg") == ["[1].jpg"]


def test_a_file_is_itself_there_or_not(here):
    assert given_images("notes.txt") == ["notes.txt"]
    assert given_images("./absent.jpg") == ["absent.jpg"]


def test_a_folder_is_all_images_below_it(here):
    assert given_images("cat") == ["cat/1.jpg", "cat/2.png", "cat/deep/3.jpg"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("*.gif", "the pattern '*.gif' matches nothing"),
        ("*.txt", "the pattern '*.txt' matches 1 file or folder, and none is an image by its name"),
        ("e*", "the pattern 'e*' matches 1 file or folder, and none is an image by its name"),
        ("empty", "the folder 'empty' holds no images"),
    ],
)
def test_what_gives_no_image_is_an_error(here, given, message):
    with pytest.raises(DataError) as caught:
        given_images(given)
    assert caught.value.message == message
    assert caught.value.file == given
