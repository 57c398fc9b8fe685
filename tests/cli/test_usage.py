"""Wrong usage, and an environment that holds another `archspec`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import archspec
from archspec.cli.app import run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "Did you mean 'train'?"),
        (["chekc", "x.yaml"], "Did you mean 'check'?"),
        (["zebra"], "Commands: check, build, "),
        (["check", "--jsno", "x"], "--json"),
        (["train", "tiny", "--epoch", "3"], "--epochs"),
        (["train", "tiny", "--epochs", "0"], "--epochs"),
        (["train", "tiny", "--epochs", "many"], "--epochs"),
        (["train", "tiny", "--batch-size", "1"], "--batch-size"),
        (["train", "tiny", "--lr", "0"], "--lr"),
        (["train", "tiny", "--workers", "-1"], "--workers"),
        (["train"], "SPEC"),
        (["check"], "SPEC"),
        (["predict", "run"], "IMAGE"),
        (["eval"], "RUN"),
        (["plugins", "lst"], "list"),
        (["data", "smaple"], "sample"),
    ],
)
def test_wrong_usage_ends_in_two_and_guesses(cli, arguments, said, in_empty_folder):
    result = cli(*arguments)
    assert result.code == 2
    assert said in result.err
    assert result.out == ""
    assert list(in_empty_folder.iterdir()) == []


def test_eval_sets_the_options_of_the_data_only(cli, trained):
    result = cli("eval", trained, "--set", "head.classes=3")
    assert result.code == 2
    assert "head.classes=3" in result.err


@pytest.mark.parametrize("arguments", [["--help"], ["train", "-h"], ["plugins", "list", "--help"], ["--version"]])
def test_help_ends_in_zero(cli, arguments):
    result = cli(*arguments)
    assert result.code == 0
    assert result.err == ""
    assert archspec.__version__ in result.out or "Usage" in result.out


def test_a_closed_pipe_is_no_traceback(start):
    with start("plugins", "list", "--json") as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode in (0, 1)


@pytest.mark.parametrize("theirs", ["__init__.py of ours", "__init__.py of theirs"])
def test_beside_spacks_archspec_a_plain_error_says_what_to_do(tmp_path, theirs):
    """Both install the folder `archspec`; what comes last wins, file by file."""
    package = tmp_path / "archspec"
    shutil.copytree(Path(archspec.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "cpu").mkdir()
    (package / "cpu" / "__init__.py").write_text('"""Microarchitectures."""\n')
    if theirs == "__init__.py of theirs":
        (package / "__init__.py").write_text('"""Init file to avoid namespace packages"""\n\n__version__ = "0.2.5"\n')
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for arguments in (["check", "resnet18"], ["--version"]):
        command = [sys.executable, "-m", "archspec", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("error: this environment also holds")
        assert "Traceback" not in done.stderr
        assert "venv" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["check", "tiny"], ["build", "tiny"], ["build", "tiny", "--json"]])
def test_output_that_cannot_be_written_is_told_in_a_line(arguments):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "archspec", *arguments], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("flag", ["--out", "--resume"])
def test_an_empty_name_is_a_usage_error(flag, capsys):
    assert run(["train", "tiny", flag, ""]) == 2
    assert "it is empty" in capsys.readouterr().err
