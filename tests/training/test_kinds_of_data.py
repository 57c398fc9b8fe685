"""A run on every kind of data set: trained, kept in data.yaml, resumed and evaluated from there."""

import csv
import json
import struct

import numpy as np
import pytest
import yaml

from archspec.cli.app import run

QUICK = ("--epochs", 1, "--set", "recipe.warmup_epochs=0", "--set", "input.size=8")


def data_of(out):
    return yaml.safe_load((out / "data.yaml").read_text())["data"]


def last(out):
    return json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])


@pytest.fixture
def evaluate(capsys):
    def call(out):
        code = run(["eval", str(out), "--workers", "0", "--json"])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return json.loads(captured.out)

    return call


def test_noise_is_learnt(train, evaluate, spec_file, tmp_path):
    out = tmp_path / "run"
    options = ["data.images=192", "data.classes=4", "data.size=8", "input.size=8", "recipe.augmentation.scale=[1,1]"]
    arguments = [part for option in options for part in ("--set", option)]
    code, said, _ = train(spec_file, "--data", "fake", "--epochs", 4, *arguments, "--out", out)
    assert code == 0, said
    assert "data      fake: train 192, validation 19, test 19; 4 classes" in said
    assert data_of(out) == {"type": "fake", "images": 192, "classes": 4, "size": 8, "seed": 0}
    assert last(out)["train_top1"] > 0.5
    assert evaluate(out)["images"] == 19


def test_digits_are_trained_on_in_grey(train, evaluate, spec_file, tmp_path):
    pytest.importorskip("sklearn")
    out = tmp_path / "run"
    code, said, _ = train(spec_file, "--data", "digits", *QUICK, "--set", "input.channels=1", "--out", out)
    assert code == 0, said
    assert last(out)["step"] == 40  # 1,259 images, 32 in a batch
    assert evaluate(out)["images"] == 269


def test_a_published_data_set(train, evaluate, spec_file, tmp_path, monkeypatch):
    raw = tmp_path / "cache" / "datasets" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split, count in (("train", 80), ("t10k", 20)):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (raw / f"{split}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, *images.shape) + images.tobytes())
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, count) + labels.tobytes())
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "run"
    code, said, _ = train(spec_file, "--data", "mnist", *QUICK, "--out", out)
    assert code == 0, said
    assert "train 70, validation 10, test 20; 10 classes" in said
    assert data_of(out) == {"type": "mnist", "download": True, "validation": 0.1}
    assert evaluate(out)["images"] == 20


@pytest.fixture
def flowers(shared, tmp_path):
    """A table of the twelve flowers, without their folder in its paths."""
    root = shared / "data" / "flowers12"
    if not root.is_dir():
        pytest.skip("the data is not here")
    rows = [(f"{path.parent.name}\\{path.name}", path.parent.name) for path in sorted((root / "train").glob("*/*.*"))]
    with (tmp_path / "flowers.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "species"), *rows])
    return tmp_path / "flowers.csv", root / "train"


def test_a_recipe_with_a_table(train, evaluate, spec_file, flowers, tmp_path):
    table, images = flowers
    recipe = tmp_path / "recipe.yaml"
    data = f"{{type: table, root: {table}, label: species, images: {images}, validation: 0.2}}"
    recipe.write_text(f"extends: quick\nepochs: 1\nbatch_size: 256\ndata: {data}\n")
    out = tmp_path / "run"
    code, said, _ = train(spec_file, "--recipe", recipe, "--set", "data.test=0.1", "--out", out)
    assert code == 0, said
    assert "train 504, validation 144, test 72; 12 classes" in said
    assert last(out)["step"] == 2
    kept = data_of(out)
    assert (kept["type"], kept["root"], kept["validation"], kept["test"]) == ("table", str(table), 0.2, 0.1)
    assert "data" not in yaml.safe_load((out / "recipe.yaml").read_text())
    assert evaluate(out)["images"] == 72

    code, said, _ = train("--resume", out, "--recipe", recipe, "--set", "data.test=0.1")
    assert code == 0, said
    code, said, _ = train("--resume", out, "--recipe", recipe)
    assert code == 1
    assert "has another setting: data.test is 0.1 there, and 0.15 here" in said


def test_data_on_the_command_line_takes_the_place_of_the_recipes(train, spec_file, photos, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("extends: quick\nepochs: 1\ndata: {type: table, root: nowhere.csv}\n")
    code, said, _ = train(spec_file, "--recipe", recipe, "--data", f"imagefolder:{photos}", "--out", tmp_path / "run")
    assert code == 0, said
    assert data_of(tmp_path / "run")["type"] == "imagefolder"
    code, said, _ = train(spec_file, "--recipe", recipe, "--out", tmp_path / "other")
    assert code == 1
    assert "there is no table '" in said


def test_a_fault_of_a_table_is_shown_with_line_and_column(train, spec_file, tmp_path):
    (tmp_path / "t.csv").write_text("path,label\n,cat\n")
    code, said, document = train(spec_file, "--data", f"table:{tmp_path}/t.csv", "--out", tmp_path / "run")
    assert code == 1
    assert f"{tmp_path}/t.csv:2:1" in said
    (error,) = document["errors"]
    assert (error["message"], error["line"], error["column"]) == ("the row has no path", 2, 1)


def test_an_option_that_a_data_set_lacks(train, spec_file):
    code, said, _ = train(spec_file, "--data", "digits:photos")
    assert code == 1
    assert said == (
        "error: unknown key 'root'\n"
        "  --> --data:1:1   data.root\n"
        "1 | digits:photos\n"
        "  | ^^^^^^^^^^^^^\n"
        "  known keys: test, validation\n"
    )
