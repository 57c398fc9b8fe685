"""docs/evaluation.md: its JSON has the keys of the real one, its numbers are right, and its commands are commands."""

import json
import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest
import torch

from archspec.cli.evaluate import evaluate
from archspec.cli.predict import predict
from archspec.training.figures import figures_of
from archspec.training.tally import Tally

TEXT = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
EVAL, PREDICT = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", TEXT, flags=re.DOTALL))
COMMANDS = re.findall(r"^\$ archspec (eval|predict) ([^#\n]*)", TEXT, flags=re.MULTILINE)


def keys(document, path=""):
    """Every key of a document with its path; what a list holds counts together."""
    if isinstance(document, dict):
        return {f"{path}.{key}" for key in document}.union(*(keys(v, f"{path}.{k}") for k, v in document.items()))
    if isinstance(document, list):
        return set().union(*(keys(value, f"{path}[]") for value in document))
    return set()


def test_the_keys_of_eval_are_the_documented_ones(cli, trained):
    assert keys(cli("eval", trained, "--workers", 0, "--json").json) == keys(EVAL)


def test_the_keys_of_predict_are_the_documented_ones(cli, trained, photos, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"")
    sound = photos / "test" / "red" / "00.png"
    assert keys(cli("predict", trained, sound, tmp_path / "broken.jpg", "--json").json) == keys(PREDICT)


def test_every_figure_has_its_definition():
    figures = {key for key, value in EVAL.items() if isinstance(value, float)} | {"recall", "precision", "f1"}
    assert set(re.findall(r"^\| `(\w+)`(?: of a class)? \|", TEXT, flags=re.MULTILINE)) >= figures


def test_the_numbers_of_the_example_are_right():
    """Those that its confusion matrix settles."""
    tally = Tally(2, torch.device("cpu"))
    for label, row in enumerate(EVAL["confusion_matrix"]):
        for guess, count in enumerate(row):
            tally.add(torch.eye(2)[[guess] * count], torch.full((count,), label))
    real = figures_of(tally, ["cat", "dog"]).record()
    for key in ("top1", "top5", "top5_k", "balanced_accuracy", "macro_f1", "images", "confusion_matrix"):
        assert real[key] == pytest.approx(np.array(EVAL[key]), abs=6e-5), key
    for key in ("top1", "top5", "balanced_accuracy"):
        assert real["intervals"][key] == pytest.approx(EVAL["intervals"][key], abs=6e-5), key
    for key, value in EVAL["classes"][0].items():
        assert real["classes"][0][key] == (value if isinstance(value, str) else pytest.approx(value, abs=6e-5)), key


@pytest.mark.parametrize(("name", "arguments"), COMMANDS)
def test_the_commands_are_commands(name, arguments):
    command = {"eval": evaluate, "predict": predict}[name]
    words = shlex.split(arguments.partition(" > ")[0])
    assert command.make_context(name, words).params["run"] == "runs/photos"


def test_every_option_is_named():
    shared = {"--device", "--json", "--set", "--help"}
    for command in (evaluate, predict):
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not shared & set(parameter.opts):
                assert parameter.opts[0] in TEXT, parameter.opts[0]
