"""`train`, `eval`, `predict`, `data sample`, `plugins list`: what they give, on the screen and as JSON."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.transforms.v2 import functional

import archspec


def by_hand(run, paths):
    """Probabilities of images, from the weights on disk and torchvision's functions. 24 px fill the view at crop 1."""
    network = archspec.build_network(run / "spec.yaml").eval()
    network.load_state_dict(load_file(run / "checkpoints/best/model.safetensors"))
    crop = json.loads((run / "run.json").read_text())["preprocessing"]["crop"]
    side = 24 * 16 / round(16 / crop)
    box = ((24 - side) / 2, (24 - side) / 2, (24 + side) / 2, (24 + side) / 2)
    images = [Image.open(path).resize((16, 16), Image.Resampling.BILINEAR, box=box) for path in paths]
    pixels = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images])
    floats = functional.normalize(pixels / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        return network(floats).double().softmax(1)


def test_train_json_says_where_the_run_lies_and_how_good_it_is(training):
    out, result = training
    found = result.json
    assert found["run"] == str(out)
    assert found["epochs"] == 2
    assert found["best"]["epoch"] in (1, 2)
    assert {"top1", "top5", "loss", "train_loss"} <= set(found["best"]["metrics"])
    assert found["last"]["epoch"] == 2
    assert found["images_per_second"] > 0
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1] == found["last"]
    assert lines[found["best"]["epoch"] - 1] == found["best"]["metrics"]


def test_train_says_what_it_does_a_line_each(training):
    said = training[1].err
    assert "the data has 3 classes and the spec 10: the head follows the data" in said
    assert "train 63" in said
    assert len(re.findall(r"^epoch \d/2 ", said, flags=re.MULTILINE)) == 2
    assert f"archspec eval {training[0]}" in said
    assert "\x1b" not in said


def test_a_run_directory_holds_all_it_needs(trained, cli):
    names = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    weights = {
        f"checkpoints/{kind}/{file}" for kind in ("best", "last") for file in ("model.safetensors", "manifest.json")
    }
    assert names == weights | {
        "checkpoints/last/training.safetensors",
        "first-batch.png",
        "run.json",
        "run.lock",
        "spec.yaml",
        "recipe.yaml",
        "data.yaml",
        "metrics.jsonl",
        "times.jsonl",
    }
    info = json.loads((trained / "run.json").read_text())
    assert info["classes"] == ["blue", "green", "red"]
    assert (
        info["versions"]["torch"] == torch.__version__.partition("+")[0]
        or info["versions"]["torch"] == torch.__version__
    )
    built = cli("build", trained / "spec.yaml", "--json").json
    assert built["output"] == [3]


def test_a_run_without_a_name_lies_in_runs(cli, in_empty_folder, spec_file, photos):
    result = cli("train", spec_file, "--data", f"imagefolder:{photos}", "--epochs", 1, "--workers", 0, "--json")
    assert result.code == 0
    (run,) = (in_empty_folder / "runs").iterdir()
    assert re.fullmatch(r"two-blocks-\d{8}-\d{6}", run.name)
    assert (in_empty_folder / result.json["run"]).samefile(run)


def test_the_data_folder_is_data_where_nothing_is_said(cli, in_empty_folder, spec_file, photos):
    (in_empty_folder / "data").symlink_to(photos)
    arguments = ["train", spec_file, "--epochs", 1, "--workers", 0, "--out", "run"]
    assert cli(*arguments, "--data", "imagefolder").code == 0
    assert cli("eval", "run", "--json", "--workers", 0).json["images"] == 15


@pytest.mark.parametrize("checkpoint", ["best", "last"])
def test_eval_json_is_what_the_weights_give_by_hand(cli, trained, photos, checkpoint):
    found = cli("eval", trained, "--split", "test", "--workers", 0, "--checkpoint", checkpoint, "--json").json
    assert {"top1", "top5", "loss", "images"} <= set(found)
    assert found["images"] == 15
    if checkpoint == "best":
        paths = sorted((photos / "test").glob("*/*.png"))
        labels = torch.tensor([("blue", "green", "red").index(path.parent.name) for path in paths])
        shares = by_hand(trained, paths)
        assert found["top1"] == pytest.approx(float((shares.argmax(1) == labels).double().mean()))
        assert found["top5"] == 1.0
        assert found["loss"] == pytest.approx(float(-shares[range(15), labels].log().mean()), rel=1e-3)


def test_eval_takes_the_test_split_and_another_folder(cli, trained, tmp_path, photos):
    assert cli("eval", trained, "--workers", 0, "--json").json["split"] == "test"
    assert "15 images" in cli("eval", trained, "--workers", 0).out
    validation = cli("eval", trained, "--workers", 0, "--split", "validation", "--json").json
    assert validation["images"] == 21
    metrics = json.loads((trained / "checkpoints/best/manifest.json").read_text())["metrics"]
    assert {key: validation[key] for key in ("top1", "top5", "loss")} == {
        key: pytest.approx(metrics[key], rel=1e-5) for key in ("top1", "top5", "loss")
    }
    for name in ("red", "blue"):  # two of the classes, in another folder: labels go by name
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / "train" / name).symlink_to(photos / "val" / name)
    other = cli("eval", trained, "--data", f"imagefolder:{tmp_path}", "--split", "train", "--workers", 0, "--json").json
    assert other["split"] == "train"


def test_predict_json_is_what_the_weights_give_by_hand(cli, trained, photos):
    paths = sorted((photos / "test").glob("*/*.png"))[::4]
    found = cli("predict", trained, *paths, "--json")
    assert found.code == 0
    rows = found.json["predictions"]
    assert [row["image"] for row in rows] == [str(path) for path in paths]
    for row, shares in zip(rows, by_hand(trained, paths), strict=True):
        assert {top["class"]: top["probability"] for top in row["top"]} == {
            name: pytest.approx(float(share), abs=2e-3)
            for name, share in zip(("blue", "green", "red"), shares, strict=True)
        }
        assert row["class"] == row["top"][0]["class"]
        assert row["probability"] == row["top"][0]["probability"] == max(top["probability"] for top in row["top"])


def test_predict_goes_on_after_an_image_that_cannot_be_read_and_ends_in_one(cli, trained, photos, tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    sound = photos / "test" / "red" / "00.png"
    result = cli("predict", trained, text, sound, tmp_path / "absent.jpg", "--json")
    assert result.code == 1
    rows = result.json["predictions"]
    assert [("error" in row, "class" in row) for row in rows] == [(True, False), (False, True), (True, False)]
    assert str(text) in rows[0]["error"]
    assert rows[1]["class"] == cli("predict", trained, sound, "--json").json["predictions"][0]["class"]
    assert cli("predict", trained, text, sound).code == 1


def test_predict_shows_names_as_they_are(cli, trained, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    odd = Path("[bold]x[/nothing].png")
    odd.parent.mkdir()
    odd.write_bytes((photos / "test" / "red" / "00.png").read_bytes())
    result = cli("predict", trained, odd)
    assert result.code == 0
    assert "[bold]x[/nothing].png" in result.out


def test_data_sample_json(cli, tmp_path):
    pytest.importorskip("sklearn")
    result = cli("data", "sample", "digits", tmp_path / "digits", "--json")
    assert result.code == 0
    assert sum(result.json["splits"].values()) == 1797
    assert set(result.json["splits"]) == {"train", "validation", "test"}
    assert [path.name for path in tmp_path.iterdir()] == ["digits"]


def test_plugins_list_json(cli):
    found = cli("plugins", "list", "--json").json
    assert {"sgd", "adamw"} <= {offer["name"] for offer in found["offers"]["optimizers"]}
    assert {"imagefolder", "table"} <= {offer["name"] for offer in found["offers"]["datasets"]}
    assert all(offer["summary"] and offer["origin"] for kind in found["offers"].values() for offer in kind)
    assert all(plugin["problem"] is None for plugin in found["plugins"] if plugin["distribution"] == "archspec")
    text = cli("plugins", "list").out
    assert "imagefolder" in text
    assert "adamw" in text
