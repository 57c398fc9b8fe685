"""Checkpoints: whole or not at all, proved by their SHA-256, and never a pickle."""

import hashlib
import json
import shutil

import pytest
import torch
from safetensors import safe_open

from archspec.data.preprocessing import Preprocessing
from archspec.errors import RunError
from archspec.files import find_folder, restore_folder
from archspec.training.checkpoint import drop_damaged, optimizer_tensors, read_checkpoint, save_checkpoint
from archspec.training.keeping import fit
from archspec.training.records import EpochMetrics, Manifest, Progress


def manifest_of(epoch):
    figures = {"lr": 0.1, "train_loss": 1.0, "train_top1": 0.5, "top1": 0.5, "top5": 1.0, "loss": 1.0, "images": 4}
    metrics = EpochMetrics(epoch=epoch, step=10 * epoch, **figures)
    preprocessing = Preprocessing(channels=1, size=(8, 8), crop=1.0, mean=(0.5,), std=(0.25,))
    return Manifest(
        progress=Progress(epoch=epoch, step=10 * epoch),
        metrics=metrics,
        best=metrics,
        classes=("a", "b"),
        preprocessing=preprocessing,
    )


@pytest.fixture
def tensors():
    return {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor(7)}


@pytest.fixture
def checkpoint(tmp_path, tensors):
    save_checkpoint(tmp_path / "last", manifest_of(3), tensors, {"a.weight/momentum": torch.ones(2, 3)})
    return tmp_path / "last"


def test_tensors_come_back_and_the_manifest_holds_the_files_sha256(checkpoint, tensors):
    manifest, found = read_checkpoint(checkpoint)
    assert set(found) == set(tensors)
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert manifest.progress.epoch == 3
    assert set(manifest.sha256) == {"model.safetensors", "training.safetensors"}
    for name, digest in manifest.sha256.items():
        assert hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() == digest
    with safe_open(checkpoint / "model.safetensors", "pt") as file:
        assert set(file.keys()) == set(tensors)


def test_tensors_in_channels_last_memory_come_back(tmp_path):
    value = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    save_checkpoint(tmp_path / "x", manifest_of(1), {"w": value})
    assert torch.equal(read_checkpoint(tmp_path / "x")[1]["w"], value)


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "append", "swap"])
def test_any_damage_is_found(checkpoint, name, damage):
    path = checkpoint / name
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-3] ^= 1
    elif damage == "truncate":
        content = content[:-4]
    elif damage == "append":
        content += b"\0"
    else:
        content = (checkpoint / ({"model.safetensors", "training.safetensors"} - {name}).pop()).read_bytes()
    path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_checkpoint(checkpoint, name)
    assert caught.value.message == f"the checkpoint file '{path}' is damaged: its SHA-256 is not the manifest's"
    assert caught.value.help


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors", "manifest.json"])
def test_a_missing_file_is_named(checkpoint, name):
    (checkpoint / name).unlink()
    with pytest.raises(RunError) as caught:
        read_checkpoint(checkpoint, name.replace("manifest.json", "model.safetensors"))
    assert name in caught.value.message
    assert str(checkpoint) in caught.value.message


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"sha256": 3}', '{"sha256": {"model.safetensors": "00"}}'])
def test_a_spoilt_manifest_is_an_error_of_its_own(checkpoint, text):
    (checkpoint / "manifest.json").write_text(text)
    with pytest.raises(RunError, match="last"):
        read_checkpoint(checkpoint)


def test_a_checkpoint_that_is_not_there_yet_is_said(tmp_path):
    with pytest.raises(RunError, match="there is no checkpoint"):
        read_checkpoint(tmp_path / "last")


def beside(checkpoint):
    """The folders that a kill can leave beside `last`."""
    return checkpoint.with_name("last.before"), checkpoint.with_name(".last.writing")


def test_a_kill_while_writing_keeps_the_old_checkpoint(checkpoint):
    _, new = beside(checkpoint)
    new.mkdir()
    (new / "model.safetensors").write_bytes(b"half")
    assert read_checkpoint(checkpoint)[0].progress.epoch == 3
    save_checkpoint(checkpoint, manifest_of(4), {"w": torch.ones(1)})
    assert read_checkpoint(checkpoint)[0].progress.epoch == 4
    assert [path.name for path in checkpoint.parent.iterdir()] == ["last"]


def test_between_the_two_renames_a_reader_sees_the_old_checkpoint_and_changes_nothing(checkpoint):
    old, new = beside(checkpoint)
    checkpoint.rename(old)
    new.mkdir()
    assert read_checkpoint(checkpoint)[0].progress.epoch == 3
    assert find_folder(checkpoint) == old
    assert new.exists()


def test_a_kill_between_the_two_renames_is_undone(checkpoint):
    old, _ = beside(checkpoint)
    checkpoint.rename(old)
    restore_folder(checkpoint)
    assert read_checkpoint(checkpoint)[0].progress.epoch == 3
    assert not old.exists()


def test_a_kill_before_the_old_one_was_taken_away_keeps_the_new_one(checkpoint):
    old, _ = beside(checkpoint)
    shutil.copytree(checkpoint, old)
    (old / "manifest.json").unlink()
    restore_folder(checkpoint)
    assert read_checkpoint(checkpoint)[0].progress.epoch == 3
    assert not old.exists()


def test_a_checkpoint_replaced_while_it_is_read_is_read_again(checkpoint, monkeypatch):
    """A reader that took the manifest before the replacement, and the tensors after it."""
    from archspec.training import checkpoint as module

    read, calls = module._tensors, []

    def replaced_meanwhile(path, manifest):
        if not calls:
            calls.append(1)
            save_checkpoint(checkpoint, manifest_of(4), {"w": torch.ones(1)})
        return read(path, manifest)

    monkeypatch.setattr(module, "_tensors", replaced_meanwhile)
    manifest, tensors = read_checkpoint(checkpoint)
    assert manifest.progress.epoch == 4
    assert set(tensors) == {"w"}


def test_a_run_holds_no_pickle_and_nothing_half_written(session_of):
    session = session_of("epochs=2")
    list(fit(session))
    files = [path for path in session.run.path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".jsonl", ".yaml", ".safetensors", ".lock"}
    for path in files:
        head = path.read_bytes()[:4]
        assert not head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")), path
        assert not path.name.startswith(".")
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                assert file.keys()
        elif path.suffix in (".json", ".jsonl"):
            for line in [path.read_text()] if path.suffix == ".json" else path.read_text().splitlines():
                json.loads(line)


def test_the_optimizers_state_is_kept_under_the_parameters_names(session_of):
    session = session_of("epochs=1")
    list(fit(session))
    kept = read_checkpoint(session.run.last, "training.safetensors")[1]
    network = session.trainer.network
    assert set(kept) == {
        f"optimizer/{name}/{key}" for name, _ in network.named_parameters() for key in ("exp_avg", "exp_avg_sq", "step")
    }
    for name, parameter in network.named_parameters():
        assert torch.equal(kept[f"optimizer/{name}/exp_avg"], session.trainer.optimizer.state[parameter]["exp_avg"])
    tensors = optimizer_tensors(session.trainer.optimizer, network)
    assert {f"optimizer/{name}" for name in tensors} == set(kept)


def test_a_runs_files_may_be_read_by_whom_the_umask_allows(session_of):
    session = session_of("epochs=1")
    list(fit(session))
    modes = {path.name: path.stat().st_mode & 0o777 for path in session.run.last.iterdir()}
    assert set(modes.values()) == {modes["manifest.json"]}


@pytest.fixture
def two(tmp_path, tensors):
    """A checkpoint of epoch 4, and beside it the one of epoch 3."""
    for epoch in (3, 4):
        save_checkpoint(tmp_path / "last", manifest_of(epoch), tensors, {"x": torch.ones(2)}, keep_before=True)
    return tmp_path / "last"


def test_the_checkpoint_before_is_kept(two):
    assert read_checkpoint(two)[0].progress.epoch == 4
    assert read_checkpoint(two.with_name("last.before"))[0].progress.epoch == 3
    assert drop_damaged(two) == []


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "missing"])
def test_the_checkpoint_before_is_taken_where_the_last_is_damaged(two, name, damage):
    file = two / name
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        flipped = content[:-3] + bytes([content[-3] ^ 4]) + content[-2:]
        file.write_bytes(content[:-9] if damage == "truncate" else flipped)
    (note,) = drop_damaged(two)
    assert str(two) in note
    assert "the checkpoint before it is taken" in note
    assert read_checkpoint(two)[0].progress.epoch == 3
    assert not two.with_name("last.before").exists()


def test_where_both_are_damaged_it_is_an_error_and_nothing_is_taken_away(two):
    for folder in (two, two.with_name("last.before")):
        (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match="is damaged"):
        drop_damaged(two)
    assert sorted(path.name for path in two.parent.iterdir()) == ["last", "last.before"]


def test_a_kill_between_the_renames_leaves_the_one_before_to_go_on_with(two):
    shutil.rmtree(two)
    restore_folder(two, keep_before=True)
    assert read_checkpoint(two)[0].progress.epoch == 3
