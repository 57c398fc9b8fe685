"""`archspec eval`: its JSON against scikit-learn and the probabilities that `predict` gives, and its text."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn import metrics

CLASSES = ["blue", "green", "red"]


@pytest.fixture(scope="module")
def measured(cli, trained, photos):
    """The JSON, and labels and probabilities of the same images from `predict`."""
    found = cli("eval", trained, "--workers", 0, "--json").json
    rows = cli("predict", trained, photos / "test", "--json").json["predictions"]
    labels = np.array([CLASSES.index(Path(row["image"]).parent.name) for row in rows])
    shares = np.array(
        [[{top["class"]: top["probability"] for top in row["top"]}[name] for name in CLASSES] for row in rows]
    )
    return found, labels, shares


def test_the_figures_are_those_of_the_predictions(measured):
    found, labels, shares = measured
    guesses = shares.argmax(1)
    assert found["confusion_matrix"] == metrics.confusion_matrix(labels, guesses).tolist()
    assert found["top1"] == pytest.approx((guesses == labels).mean())
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, guesses))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(labels, guesses, average="macro"))
    assert found["loss"] == pytest.approx(metrics.log_loss(labels, shares / shares.sum(1, keepdims=True)), rel=1e-4)
    assert found["confidence"] == pytest.approx(shares.max(1).mean(), rel=1e-4)
    assert [row["class"] for row in found["classes"]] == CLASSES
    assert [row["support"] for row in found["classes"]] == [5, 5, 5]
    assert [row["recall"] for row in found["classes"]] == pytest.approx(
        metrics.recall_score(labels, guesses, average=None)
    )
    assert sum(row["images"] for row in found["calibration"]) == found["images"] == 15


def test_the_best_five_of_three_classes_are_said_to_be_three(measured, cli, trained):
    assert measured[0]["top5_k"] == 3
    assert measured[0]["top5"] == 1.0
    out = cli("eval", trained, "--workers", 0).out
    assert "top-3, all of 3 classes" in out
    assert "top-5" not in out


def test_intervals_hold_their_shares_and_name_their_method(measured):
    found = measured[0]
    assert found["intervals"]["method"] == "wilson"
    assert found["intervals"]["level"] == 0.95
    for name in ("top1", "top5", "balanced_accuracy"):
        low, high = found["intervals"][name]
        assert 0 <= low <= found[name] <= high <= 1


def test_a_list_of_numbers_takes_one_line_and_names_stay_as_they_are(cli, tmp_path, spec_file):
    """Two classes, whose names look like lists."""
    names = ["[\n  1,  2\n]", '"[ 3 ]"']
    for place, name in enumerate(names):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(8):
            pixels = np.random.default_rng([place, number]).integers(0, 200, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    run = tmp_path / "run"
    data = f"imagefolder:{tmp_path / 'data'}"
    assert cli("train", spec_file, "--data", data, "--epochs", 1, "--workers", 0, "--out", run).code == 0
    result = cli("eval", run, "--split", "all", "--workers", 0, "--json")
    assert sorted(row["class"] for row in result.json["classes"]) == sorted(names)
    assert result.json["top5_k"] == 2
    rows = result.json["confusion_matrix"]
    assert all(re.search(rf"^\s+\[{row[0]}, {row[1]}\],?$", result.out, re.MULTILINE) for row in rows)
    text = cli("eval", run, "--split", "all", "--workers", 0).out
    assert "1,  2" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_without_a_terminal_it_is_plain_text_a_class_a_line(cli, trained, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    out = cli("eval", trained, "--workers", 0).out
    assert "\x1b" not in out
    assert re.match(rf"{trained} \(best, epoch \d\) on test: 15 images, top-1 .*%, top-3 .*%, loss \d\.\d+\n", out)
    for name in CLASSES:
        assert re.search(rf"^ {name} +(-|\d+\.\d%) +\d+\.\d% +[\d.]+% to [\d.]+% +\d+\.\d% +5 *$", out, re.MULTILINE)
    assert re.search(r"^ is \\ taken for +1 +2 +3 *$", out, re.MULTILINE)


def test_an_unreadable_image_is_left_out_and_counted_where_the_recipe_says_so(cli, spec_file, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos/test/red/00.png").write_bytes(b"no image")
    arguments = ["--data", f"imagefolder:{tmp_path / 'photos'}", "--epochs", 1, "--workers", 0]
    arguments += ["--set", "recipe.on_corrupt=skip", "--out", tmp_path / "run"]
    assert cli("train", spec_file, *arguments).code == 0
    found = cli("eval", tmp_path / "run", "--workers", 0, "--json").json
    assert (found["images"], found["skipped"]) == (14, 1)
    assert [row["support"] for row in found["classes"]] == [5, 5, 4]
    assert "; 1 image could not be read" in cli("eval", tmp_path / "run", "--workers", 0).out


def test_a_loss_that_is_not_finite_is_an_error(cli, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    weights = run / "checkpoints/best/model.safetensors"
    tensors = load_file(weights)
    spoilt = {name: tensor * float("nan") for name, tensor in tensors.items() if tensor.is_floating_point()}
    save_file({**tensors, **spoilt}, weights)
    manifest = run / "checkpoints/best/manifest.json"
    record = json.loads(manifest.read_text())
    record["sha256"]["model.safetensors"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(record))
    result = cli("eval", run, "--workers", 0, "--json")
    assert result.code == 1
    assert result.err.startswith("error: the loss in evaluation is nan\n  help: ")
    assert result.json["ok"] is False
