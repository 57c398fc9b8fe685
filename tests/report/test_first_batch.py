"""RUN/first-batch.png: the pixels that went into the network in step 1, and a run that is the same without it."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from archspec.cli.app import run as archspec_run
from archspec.data.transforms import as_image
from archspec.report import first_batch
from archspec.report.first_batch import FIRST_BATCH, FirstBatch


@pytest.fixture
def train(spec_file, photos, tmp_path, capsys):
    """Runs `archspec train` of one epoch into a folder: arguments -> the run directory, and what was said."""

    def call(*arguments, out="run", code=0, resume=False):
        target = ["--resume", tmp_path / out] if resume else [spec_file, "--epochs", 1, "--out", tmp_path / out]
        target += [] if resume else ["--data", f"imagefolder:{photos}"]
        command = [str(argument) for argument in ("train", *target, "--workers", 0, *arguments)]
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            assert archspec_run(command) == code
        finally:
            torch.set_num_threads(threads)
        return tmp_path / out, capsys.readouterr().err

    return call


@pytest.fixture
def seen(monkeypatch):
    """The batches that enter networks in training, before and behind the mixing, as `FirstBatch` is asked for them."""
    found = []
    call = FirstBatch.__call__

    def keep(self, images, labels, epoch, number):
        mixed = call(self, images, labels, epoch, number)
        found.append((mixed[0].clone(), mixed[1].clone(), self._session))
        return mixed

    monkeypatch.setattr(FirstBatch, "__call__", keep)
    return found


def find(sheet, pixels):
    have = np.asarray(sheet)
    height, width = pixels.shape[:2]
    places = np.argwhere((have == pixels[0, 0]).all(2))
    return any(np.array_equal(have[top : top + height, left : left + width], pixels) for top, left in places)


@pytest.mark.parametrize("mixing", [(), ("--set", "recipe.mixup=1"), ("--set", "recipe.cutmix=1")])
def test_it_shows_what_the_network_saw(train, seen, monkeypatch, mixing):
    entered = []
    forward = torch.nn.Module.__call__

    def keep(module, *inputs):
        if type(module).__name__ == "Network" and module.training:
            entered.append(inputs[0].clone())
        return forward(module, *inputs)

    monkeypatch.setattr(torch.nn.Module, "__call__", keep)
    run, _ = train("--batch-size", 12, *mixing)
    ((images, _, session),) = seen
    assert torch.equal(images, entered[0])
    with Image.open(run / FIRST_BATCH) as opened:
        sheet = opened.convert("RGB")
    for pixels in session.trainer.normalize.inverse(entered[0]).permute(0, 2, 3, 1).numpy():
        view = as_image(pixels).resize((112, 112), Image.Resampling.NEAREST)
        assert find(sheet, np.asarray(view))


def test_class_names_stand_below(train, seen, monkeypatch):
    sheets = []
    draw = first_batch.draw_sheet
    monkeypatch.setattr(first_batch, "draw_sheet", lambda sheet: (sheets.append(sheet), draw(sheet))[1])
    train("--batch-size", 12, out="plain")
    train("--batch-size", 12, "--set", "recipe.mixup=1", out="mixed")
    names = ("blue", "green", "red")
    captions = [[picture.captions for row in sheet.rows for picture in row] for sheet in sheets]
    assert captions[0] == [(names[label],) for label in seen[0][1].tolist()]
    for caption, shares in zip(captions[1], seen[1][1], strict=True):
        expected = {f"{share:.0%} {name}" for share, name in zip(shares.tolist(), names, strict=True) if share > 0}
        assert set(caption) == (expected if len(expected) > 1 else {names[int(shares.argmax())]})
    assert any(len(caption) == 2 for caption in captions[1])
    assert "step 1, 16x16 px" in sheets[0].title


def test_there_are_32_images_at_most(train, monkeypatch):
    sheets = []
    draw = first_batch.draw_sheet
    monkeypatch.setattr(first_batch, "draw_sheet", lambda sheet: (sheets.append(sheet), draw(sheet))[1])
    train("--batch-size", 50)
    assert [len(row) for row in sheets[0].rows] == [8, 8, 8, 8]


@pytest.mark.parametrize("mixing", ["recipe.mixup=0.2", "recipe.cutmix=0"])
def test_it_changes_no_bit_of_the_run(train, monkeypatch, mixing):
    settings = ["--set", mixing, "--set", "head.dropout=0.5", "--batch-size", 16]
    drawn, _ = train(*settings, out="drawn")
    monkeypatch.setattr(FirstBatch, "__init__", lambda self, session, warn: None)
    monkeypatch.setattr(FirstBatch, "save", lambda self: None)
    plain, _ = train(*settings, out="plain")
    assert (drawn / FIRST_BATCH).exists()
    assert not (plain / FIRST_BATCH).exists()
    for name in ("checkpoints/last/model.safetensors", "metrics.jsonl"):
        assert (drawn / name).read_bytes() == (plain / name).read_bytes()


def test_a_resumed_run_keeps_its_picture(train, monkeypatch):
    calls = []

    def stop(self):
        calls.append(self)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return save(self)

    save = FirstBatch.save
    monkeypatch.setattr(FirstBatch, "save", stop)
    run, _ = train("--epochs", 3, "--batch-size", 16, code=130)
    monkeypatch.undo()
    picture = (run / FIRST_BATCH).read_bytes()
    (run / FIRST_BATCH).write_bytes(b"the user's own")
    train(resume=True)
    assert (run / FIRST_BATCH).read_bytes() == b"the user's own"
    assert picture.startswith(b"\x89PNG")
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_picture_that_is_missing_is_not_drawn_of_a_later_step(train, monkeypatch):
    calls = []
    save = FirstBatch.save

    def stop(self):
        calls.append(self)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return save(self)

    monkeypatch.setattr(FirstBatch, "save", stop)
    run, _ = train("--epochs", 3, "--batch-size", 16, code=130)
    monkeypatch.undo()
    (run / FIRST_BATCH).unlink()
    train(resume=True)
    assert not (run / FIRST_BATCH).exists()


@pytest.mark.parametrize("what", ["draw_sheet", "write_bytes"])
def test_a_picture_that_cannot_be_drawn_is_a_warning(train, monkeypatch, what):
    def fail(*arguments):
        raise OSError("no room")

    monkeypatch.setattr(first_batch, what, fail)
    run, said = train("--json")
    assert said.count("warning: first-batch.png was not drawn: OSError: no room") == 1
    assert "test_first_batch.py:" in said
    assert not (run / FIRST_BATCH).exists()
    assert len([json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]) == 1


def test_a_grey_network_and_names_of_other_alphabets(train, photos, tmp_path, monkeypatch):
    for split in ("train", "val"):
        for name, other in (("blue", "玫瑰"), ("red", "Zoë")):
            (tmp_path / "flowers" / split).mkdir(parents=True, exist_ok=True)
            (tmp_path / "flowers" / split / other).symlink_to(photos / split / name)
    run, said = train("--data", f"imagefolder:{tmp_path / 'flowers'}", "--set", "input.channels=1")
    assert "warning" not in said
    with Image.open(run / FIRST_BATCH) as sheet:
        assert sheet.width > 800
