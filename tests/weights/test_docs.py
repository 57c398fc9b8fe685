"""docs/weights.md: its outputs are those of its commands, its Python runs, its formulas and map are the code's."""

import contextlib
import io
import os
import re
import shlex
from pathlib import Path

import pytest
import torch
import torchvision

from archspec.cli.app import run
from archspec.weights.inputs import FORMULAS
from archspec.weights.settings import Matching

PAGE = Path(__file__).parents[2] / "docs" / "weights.md"
TEXT = PAGE.read_text(encoding="utf-8")
VARYING = re.compile(r"\b[0-9a-f]{64}\b|(?<=outputs up to )\S+|0x[0-9a-f]+")
"""What depends on the values in a file: the page has torchvision's, a test without them has random ones."""


@pytest.fixture
def in_folder(tmp_path, monkeypatch, shared):
    """A folder with the files that the page speaks of, and a terminal of 100 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    theirs = Path(shared) / "weights" / "resnet18-imagenet.pth"
    if theirs.is_file():
        Path("resnet18-imagenet.pth").symlink_to(theirs)
    else:
        torch.save(torchvision.models.resnet18().state_dict(), "resnet18-imagenet.pth")
    state = torchvision.models.resnet50().state_dict()
    numbers = {name: number for number, name in enumerate(dict.fromkeys(key.rpartition(".")[0] for key in state))}
    unnamed = {f"m{numbers[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": tensor for key, tensor in state.items()}
    torch.save(unnamed, "unnamed.pth")
    names = [f"class {number}" for number in range(998)]
    Path("imagenet.txt").write_text("\n".join(["tabby", *names, "beagle"]) + "\n")
    Path("pets.txt").write_text("beagle\ntabby\naxolotl\n")
    return tmp_path


def output_of(command):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        run(shlex.split(command)[1:])
    lines = (out.getvalue() + err.getvalue()).splitlines()
    return "\n".join([f"$ {command}", *(line.rstrip() for line in lines)])


def test_the_outputs_are_those_of_the_commands(in_folder):
    def rerun(block):
        commands = re.findall(r"^\$ (.*)$", block[1], flags=re.MULTILINE)
        shown = "\n".join(output_of(command) for command in commands)
        return f"```console\n{shown}\n```"

    page = re.sub(r"```console\n(.*?)\n```", rerun, TEXT, flags=re.DOTALL)
    if os.environ.get("ARCHSPEC_UPDATE_GOLDEN") == "1":
        PAGE.write_text(page, encoding="utf-8")
    assert VARYING.sub("...", page) == VARYING.sub("...", TEXT), "make golden writes the outputs anew"


def test_the_python_runs(in_folder):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    values = {}
    exec(code, values)
    assert values["planned"].coverage == 1.0
    assert values["preprocessing"].size == (224, 224)
    assert len(values["planned"].of("reset")) == 2


def test_every_rule_has_its_formula():
    for rule, formula in FORMULAS.items():
        assert f"| `{rule}` | {formula} |" in TEXT


def test_every_option_is_named():
    for field in Matching.model_fields:
        assert f"--{field.replace('_', '-')}" in TEXT
