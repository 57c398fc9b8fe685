"""Kept features are what the frozen prefix would make each time, and are used while it is frozen and no longer."""

import itertools
import math

import numpy as np
import pytest
import torch

from archspec.errors import RunError
from archspec.finetuning.features import READABLE
from archspec.training import features as module
from archspec.training import placing
from archspec.training.keeping import fit
from archspec.training.placing import Views, choose_place, room_for
from archspec.training.results import EpochResult
from archspec.training.resuming import resume_session

UNTIL = "freeze={type: until, stage: stages.1}"
SETTINGS = ("epochs=3", "batch_size=16", "augmentation=none")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def epochs_of(session):
    return [result for result in fit(session) if isinstance(result, EpochResult)]


def count_prefix(session, monkeypatch):
    """How many images go through a prefix, by the size of what its first convolution is given."""
    seen = []
    original = module.fold_prefix

    def counted(*arguments):
        prefix = original(*arguments)
        if prefix.plan.cut(arguments[1]) and (len(arguments) < 4 or arguments[3] is None):
            prefix.get_submodule("stem.conv").register_forward_hook(lambda *call: seen.append(len(call[1][0])))
        return prefix

    monkeypatch.setattr(module, "fold_prefix", counted)
    return seen


@pytest.mark.parametrize("freeze", [UNTIL, "freeze=head-only", "freeze={type: gradual, every: 1}"])
@pytest.mark.parametrize("place", ["memory", "disk"])
def test_training_on_kept_features_is_training_behind_the_prefix(session_of, freeze, place):
    plain = epochs_of(session_of(*SETTINGS, freeze, out="plain"))
    kept = epochs_of(session_of(*SETTINGS, freeze, f"features={place}", out="kept"))
    for one, other in zip(plain, kept, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, abs=1e-4)
        assert one.validation.loss == pytest.approx(other.validation.loss, abs=1e-4)


def test_an_augmented_view_is_that_epochs_augmentation(session_of):
    """With as many views as epochs, nothing but the time differs."""
    settings = ("epochs=2", "batch_size=16", UNTIL)
    plain = epochs_of(session_of(*settings, out="plain"))
    kept = epochs_of(session_of(*settings, "features=memory", "views=2", out="kept"))
    assert [epoch.train_loss for epoch in kept] == pytest.approx([epoch.train_loss for epoch in plain], abs=1e-4)
    again = epochs_of(session_of(*settings, "features=memory", "views=1", out="one"))
    assert again[0].train_loss == kept[0].train_loss
    assert again[1].train_loss != pytest.approx(kept[1].train_loss, abs=1e-4)


def test_views_take_turns():
    assert [Views(0, False).at(epoch) for epoch in range(3)] == [(None, 0)] * 3
    assert [Views(0, True).at(epoch) for epoch in range(3)] == [(None, 0), (None, 1), (None, 0)]
    assert [Views(2, True).at(epoch) for epoch in range(5)] == [(0, 0), (0, 1), (1, 0), (1, 1), (0, 0)]
    assert [Views(3, False).at(epoch) for epoch in range(4)] == [(0, 0), (1, 0), (2, 0), (0, 0)]


def test_a_mirrored_epoch_sees_the_mirrored_images(session_of):
    session = session_of(*SETTINGS, "freeze=head-only", "features=memory", "mirror=true")
    epochs_of(session)
    trainer = session.trainer
    features = trainer.features
    kept = features.keeper.find(("train", "head.linear", None))
    prefix = module.fold_prefix(trainer.network, "head.linear", torch.channels_last)
    positions = torch.arange(5)
    pixels = features.readers["plain"].take(positions).images
    assert torch.equal(features.look(1, positions), pixels.flip(3))
    for flip, seen in enumerate((pixels, pixels.flip(3))):
        expected = prefix(trainer.normalize(seen))
        assert torch.allclose(kept.features[flip, positions], expected, atol=1e-5)


def test_the_images_go_through_the_prefix_once(session_of, monkeypatch):
    session = session_of("epochs=5", "batch_size=16", "freeze={type: lp-ft, probe: 2}", "features=memory")
    seen = count_prefix(session, monkeypatch)
    epochs_of(session)
    assert sum(seen) == 63 + 21, "training and validation images, in the two epochs of the probe"


def test_later_cuts_are_kept_in_the_same_pass(session_of, monkeypatch):
    """The probe's pooled features and the maps for what follows it come of one pass over the pixels."""
    freeze = "freeze={type: gradual, every: 1}"
    session = session_of("epochs=3", "batch_size=16", freeze, "features=memory")
    assert [session.trainer.freezing.cut(epoch) for epoch in range(3)] == [
        "head.linear",
        "stages.1.0.conv1",
        "stages.0.0.conv1",
    ]
    seen = count_prefix(session, monkeypatch)
    epochs_of(session)
    assert sum(seen) == 63 + 21


def test_features_on_disk_serve_the_next_run(session_of, monkeypatch, cache):
    settings = (*SETTINGS, UNTIL, "features=disk")
    first = session_of(*settings, out="first")
    epochs_of(first)
    assert len(list(cache.iterdir())) == 2
    again = session_of(*settings, out="again")
    seen = count_prefix(again, monkeypatch)
    epochs_of(again)
    assert seen == []
    one, other = (session.run.last / "model.safetensors" for session in (first, again))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    "changed",
    [
        {"overrides": ("seed=1",), "weights": True},
        {"overrides": ("mean=[0.5, 0.5, 0.5]",)},
        {"overrides": ("half_features=true",)},
        {"overrides": (), "spec": ["stages.0.filters=24"]},
        {"overrides": (), "touch": True},
    ],
)
def test_features_on_disk_are_of_these_weights_images_and_settings(session_of, monkeypatch, cache, photos, changed):
    settings = (*SETTINGS, UNTIL, "features=disk")
    epochs_of(session_of(*settings, out="first"))
    if changed.get("touch"):
        path = next((photos / "train").rglob("*.png"))
        path.touch()
    again = session_of(*settings, *changed["overrides"], spec_overrides=changed.get("spec", ()), out="again")
    seen = count_prefix(again, monkeypatch)
    epochs_of(again)
    assert sum(seen) >= 63


def test_a_pass_that_is_cut_short_leaves_nothing_that_is_used(session_of, monkeypatch, cache):
    settings = (*SETTINGS, UNTIL, "features=disk")
    session = session_of(*settings, out="first")
    running = fit(session)
    next(running)
    running.close()
    assert all(path.name.endswith(".filling") for path in cache.iterdir())
    again = session_of(*settings, out="again")
    seen = count_prefix(again, monkeypatch)
    epochs_of(again)
    assert sum(seen) == 63 + 21


def test_half_features_take_half_the_room(session_of):
    session = session_of(*SETTINGS, UNTIL, "features=memory", "half_features=true")
    running = fit(session)
    next(result for result in running if isinstance(result, EpochResult))
    kept = session.trainer.features.keeper.find(("train", session.trainer.freezing.cut(0), None))
    assert kept.features.dtype == torch.float16
    assert kept.features.nbytes == 2 * 63 * math.prod(session.trainer.freezing.phase(0).prefix.output)


def test_features_are_let_go_when_they_are_of_no_use_any_more(session_of):
    session = session_of(*SETTINGS, "freeze={type: lp-ft, probe: 1}", "features=memory")
    keeper = session.trainer.features.keeper
    held = [len(keeper._held) for result in fit(session) if isinstance(result, EpochResult)]
    assert held == [2, 0, 0]


def test_an_image_that_cannot_be_read_is_skipped_and_counted(session_of, photos, tmp_path):
    import shutil

    shutil.copytree(photos, tmp_path / "photos")
    (tmp_path / "photos" / "train" / "red" / "03.png").write_bytes(b"no image")
    session = session_of(*SETTINGS, UNTIL, "features=memory", "on_corrupt=skip", root=tmp_path / "photos")
    (first, *_) = epochs_of(session)
    assert first.skipped == 1
    assert first.step == math.ceil(63 / 16)


def test_mixing_wants_images(session_of):
    with pytest.raises(RunError, match="features cannot be kept: the recipe mixes images"):
        session_of(*SETTINGS, UNTIL, "features=memory", "mixup=0.2")
    session = session_of(*SETTINGS, UNTIL, "features=auto", "mixup=0.2")
    assert session.run.info.features == "none"
    assert session.notes == ["features are not kept: the recipe mixes images"]


def test_what_is_frozen_nowhere_has_no_features(session_of):
    with pytest.raises(RunError, match="nothing is frozen from the input on"):
        session_of(*SETTINGS, "features=disk")


def test_auto_takes_what_has_room(session_of, recipe, monkeypatch):
    freezing = session_of(*SETTINGS, UNTIL).trainer.freezing
    room = room_for(freezing, Views(0, False), (63, 21), half=False)
    size = math.prod(freezing.phase(0).prefix.output)
    assert room.bytes == 4 * size * (63 + 21)
    settings = recipe(*SETTINGS, UNTIL, "features=auto")
    assert choose_place(settings, room, 4 * room.bytes, solved=False) == ("memory", None)
    assert choose_place(settings, room, 4 * room.bytes - 4, solved=False)[0] == "disk"
    full = type("Usage", (), {"free": 0})
    monkeypatch.setattr(placing.shutil, "disk_usage", lambda path: full)
    place, reason = choose_place(settings, room, 0, solved=False)
    assert place == "none"
    assert "they would take 0.0 GB" in reason


def test_auto_keeps_nothing_that_would_be_used_once(session_of):
    session = session_of("epochs=2", UNTIL, "features=auto", "views=2")
    assert session.run.info.features == "none"
    assert "each of its views would be used once" in session.notes[0]


def test_what_auto_chose_stays_when_the_run_goes_on(session_of, monkeypatch):
    session = session_of(*SETTINGS, UNTIL, "features=auto")
    assert session.run.info.features == "memory"
    steps = itertools.count()
    list(fit(session, stop=lambda: next(steps) > 3))
    monkeypatch.setattr(placing, "choose_place", lambda *_, **__: ("none", None))
    again = resume_session(session.run, session.data, device=torch.device("cpu"), workers=0)
    assert again.trainer.features is not None


def test_readable_is_kept_beside_the_features(session_of, cache):
    epochs_of(session_of(*SETTINGS, UNTIL, "features=disk"))
    assert sorted(np.load(path / READABLE).sum() for path in cache.iterdir()) == [21, 63]


def test_the_first_batchs_picture_says_which_view_was_kept(session_of, monkeypatch):
    from archspec.report import first_batch
    from archspec.report.watch import watch

    sheets, draw = [], first_batch.draw_sheet
    monkeypatch.setattr(first_batch, "draw_sheet", lambda sheet: (sheets.append(sheet), draw(sheet))[1])
    settings = ("epochs=2", "batch_size=16", "freeze={type: lp-ft, probe: 1, until: stages.1}", "features=memory")
    session = session_of(*settings, "mirror=true", "head=lbfgs")
    with watch(session) as (tell, _):
        for result in fit(session):
            tell(result)
    (sheet,) = sheets
    assert sheet.subtitles[0] == "features are kept: the middle of each image, mirrored"
    assert "in step 5," in sheet.title, "the solved head stands for the 4 steps of the first epoch"


def test_the_middle_of_an_image_is_kept_whatever_training_grows_through(session_of):
    sizes = "sizes=[{until: 0.5, size: 8}]"
    trainer = session_of(*SETTINGS, UNTIL, sizes, "features=memory").trainer
    assert trainer.features.look(0, torch.arange(3)).shape == (3, 3, 16, 16)
    with pytest.raises(RunError, match="its views change their size"):
        session_of(*SETTINGS, UNTIL, sizes, "views=2", "features=memory", out="views")
