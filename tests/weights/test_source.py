"""Preprocessing and classes that come along: of files that say so, of libraries, and of runs."""

import hashlib
import json

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from archspec.errors import WeightsError
from archspec.weights.files import frozen_file
from archspec.weights.plan import plan_weights
from archspec.weights.preprocessing import USUAL, usual_preprocessing
from archspec.weights.settings import Matching
from archspec.weights.source import open_source

_MODEL = "model.safetensors"
CONFIG = {
    "input_size": [3, 160, 176],
    "crop_pct": 0.8,
    "crop_mode": "squash",
    "interpolation": "bicubic",
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.3, 0.4],
}


@pytest.mark.parametrize("naming", [name for name in USUAL if name.startswith("torchvision")])
def test_torchvisions_usual_preprocessing_is_that_of_its_weights(naming):
    network, values = USUAL[naming]
    theirs = torchvision.models.get_model_weights(network)["IMAGENET1K_V1"].transforms()
    assert list(values.size) == theirs.crop_size * 2
    assert list(values.resized) == theirs.resize_size * 2
    assert values.interpolation == theirs.interpolation.value
    assert (list(values.mean), list(values.std)) == (theirs.mean, theirs.std)


@pytest.mark.parametrize("naming", [name for name in USUAL if name.startswith("timm")])
def test_timms_usual_preprocessing_is_that_of_its_default_weights(naming):
    network, values = USUAL[naming]
    theirs = pytest.importorskip("timm").get_pretrained_cfg(network)
    assert (3, *values.size) == theirs.input_size
    assert (values.crop, values.interpolation) == (theirs.crop_pct, theirs.interpolation)
    assert (values.mean, values.std) == (theirs.mean, theirs.std)


def test_what_is_assumed_is_said():
    assert usual_preprocessing("timm RegNet").origin == "assumed: that of timm's default weights of regnetx_002"
    assert usual_preprocessing("archspec") is None


@pytest.mark.parametrize("where", ["metadata", "beside", "inside"])
def test_what_a_file_says_is_taken(tmp_path, state, small_plan, where):
    labels = [f"c{number}" for number in range(10)]
    path = tmp_path / ("model.pth" if where == "inside" else "model.safetensors")
    if where == "metadata":
        save_file(state, path, {"pretrained_cfg": json.dumps(CONFIG), "label_names": json.dumps(labels)})
    elif where == "beside":
        save_file(state, path)
        document = {"architecture": "small", "pretrained_cfg": CONFIG, "label_names": labels}
        (tmp_path / "config.json").write_text(json.dumps(document))
    else:
        torch.save({"state_dict": state, "pretrained_cfg": {**CONFIG, "label_names": labels}}, path)
    planned = plan_weights(small_plan, path)
    known = planned.preprocessing
    assert known.stated
    assert known.origin.startswith("stated by the ")
    assert (known.values.size, known.values.crop, known.values.resize) == ((160, 176), 0.8, "stretch")
    assert (known.values.mean, known.values.std) == ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    assert known.values.interpolation == "bicubic"
    assert planned.classes == tuple(labels)


@pytest.mark.parametrize(
    "change",
    [
        {"interpolation": "random"},
        {"mean": [0.5]},
        {"mean": None},
        {"std": ["x", "y", "z"]},
        {"input_size": 7},
        {"crop_pct": 7},
        {"crop_mode": "border?"},
    ],
)
def test_what_is_not_understood_is_as_if_it_were_not_said(tmp_path, state, change):
    save_file(state, tmp_path / "w.safetensors", {"pretrained_cfg": json.dumps(CONFIG | change)})
    assert open_source(tmp_path / "w.safetensors").preprocessing is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"pretrained_cfg": 7, "label_names": {}}'])
def test_a_strangers_config_is_never_an_error(tmp_path, state, text):
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(text)
    source = open_source(tmp_path / "model.safetensors")
    assert (source.preprocessing, source.classes) == (None, None)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_preprocessing_is_fitted_to_another_input(channels):
    fitted = usual_preprocessing("torchvision").fit((channels, 96, 128))
    assert (fitted.channels, fitted.size, fitted.crop) == (channels, (96, 128), 0.875)
    assert len(fitted.mean) == len(fitted.std) == channels
    if channels == 1:
        assert fitted.mean[0] == pytest.approx((0.485 + 0.456 + 0.406) / 3)
    else:
        assert fitted.mean == ((0.485, 0.456, 0.406) * 2)[:channels]


def test_a_sha256_is_that_of_the_file(tmp_path, state):
    torch.save(state, tmp_path / "w.pth")
    assert open_source(tmp_path / "w.pth").sha256 == hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()


@pytest.fixture
def run(tmp_path, state):
    """A run's folder, as far as weights are read from it."""
    folder = tmp_path / "run"
    for name, number in (("best", 1), ("last", 2)):
        checkpoint = folder / "checkpoints" / name
        checkpoint.mkdir(parents=True)
        save_file({key: tensor + number for key, tensor in state.items()}, checkpoint / "model.safetensors")
        preprocessing = {"channels": 3, "size": [32, 32], "crop": 0.9, "mean": [0.5] * 3, "std": [0.25] * 3}
        manifest = {
            "classes": [f"c{number}" for number in range(10)],
            "preprocessing": preprocessing,
            "sha256": {"model.safetensors": open_source(checkpoint / "model.safetensors").sha256},
            "more": 1,
        }
        (checkpoint / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize(
    ("path", "key", "number"),
    [
        ("", None, 1),
        ("", "last", 2),
        ("checkpoints/last", None, 2),
        ("checkpoints/best/model.safetensors", None, 1),
    ],
)
def test_a_run_brings_its_classes_and_preprocessing(run, state, small_plan, path, key, number):
    planned = plan_weights(small_plan, run / path, Matching(key=key), [f"c{n}" for n in range(10)])
    planned.refuse()
    assert torch.equal(planned.rows[0].value, state["stem.conv.weight"] + number)
    assert planned.classes == tuple(f"c{n}" for n in range(10))
    assert planned.preprocessing.values.crop == 0.9
    assert planned.preprocessing.origin == "stated by the run's manifest"
    other = {"best": "last", "last": "best"}[key or "best"]
    note = f"its checkpoint '{key or 'best'}' was taken, and not '{other}'; --key chooses"
    assert planned.notes == ((note,) if path == "" else ())


def test_a_checkpoint_that_is_just_being_replaced_is_found_beside(run):
    folder = run / "checkpoints"
    (folder / "best").rename(folder / "best.before")
    assert open_source(run).notes[0].startswith("its checkpoint 'best'")


def test_a_damaged_checkpoint_is_refused(run):
    path = run / "checkpoints" / "best" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(WeightsError, match="is damaged: its SHA-256 is not the manifest's"):
        open_source(run)
    (run / "checkpoints" / "best" / "manifest.json").write_text("{}")
    with pytest.raises(WeightsError, match="is damaged, or of another version"):
        open_source(run)


@pytest.mark.parametrize("path", ["", "checkpoints/best", "checkpoints/best/model.safetensors"])
def test_what_a_run_never_changed_is_taken_from_its_own_file(run, state, small_plan, monkeypatch, path):
    whole = open_source(run)
    left_out = {name for name in state if not name.startswith("head.")}
    folder = run / "checkpoints" / "best"
    save_file({name: whole.tensors[name].contiguous() for name in left_out}, run / "frozen.safetensors")
    frozen = open_source(run / "frozen.safetensors").sha256
    (run / "frozen.safetensors").rename(frozen_file(run, frozen))
    save_file({name: whole.tensors[name].contiguous() for name in state if name not in left_out}, folder / _MODEL)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"frozen": frozen, "sha256": {_MODEL: hashlib.sha256((folder / _MODEL).read_bytes()).hexdigest()}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.chdir(folder.parent)  # a relative path knows of no run above it
    for source in (run / path, *(["best"] if path == "checkpoints/best" else [])):
        found = open_source(source)
        assert found.tensors.keys() == state.keys()
        assert all(torch.equal(found.tensors[name], whole.tensors[name]) for name in state)
        assert found.sha256 not in (whole.sha256, manifest["sha256"][_MODEL], frozen)
        plan_weights(small_plan, source, Matching(), [f"c{n}" for n in range(10)]).refuse()
    frozen_file(run, frozen).write_bytes(b"other")
    with pytest.raises(WeightsError, match="is damaged: its SHA-256 is not the manifest's"):
        open_source(run / path)
    frozen_file(run, frozen).unlink()
    with pytest.raises(WeightsError, match=r"leaves out what its run never changed, and .* is not there"):
        open_source(run / path)


def test_a_run_without_checkpoints_and_a_folder_that_is_no_run(run, tmp_path):
    with pytest.raises(WeightsError, match=r"has no checkpoint 'middle'"):
        open_source(run, "middle")
    (tmp_path / "new" / "checkpoints").mkdir(parents=True)
    with pytest.raises(WeightsError, match="has no checkpoint yet"):
        open_source(tmp_path / "new")
    with pytest.raises(WeightsError, match="is no run and no checkpoint of archspec"):
        open_source(tmp_path)
    with pytest.raises(WeightsError, match="holds one state dict"):
        open_source(run / "checkpoints" / "best", "model")
