"""Loaders as the recipe wants them: how small images may be read, what is skipped, what the preview shows."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from archspec.data.augmentation import reduction_before
from archspec.data.folder import open_folder
from archspec.spec.arch import InputSpec
from archspec.training.loaders import make_loaders, uncached_images


@pytest.fixture
def large(tmp_path):
    """JPEGs of several sizes, so large that a decoder may reduce them."""
    for number in range(12):
        for split in ("train", "val"):
            folder = tmp_path / "large" / split / "ab"[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 256, (9 + number, 21 - number, 3), dtype=np.uint8)
            size = 300 + 17 * number, 420 - 13 * number
            Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(folder / f"{number:02d}.jpg")
    return open_folder(tmp_path / "large", 0.15, 0.15, 0)


@pytest.fixture
def broken(photos, tmp_path):
    """The photos, of which one to train on is cut short."""
    root = shutil.copytree(photos, tmp_path / "broken")
    file = root / "train" / "red" / "03.png"
    file.write_bytes(file.read_bytes()[:200])
    return root


def batches_of(loader, epoch):
    batches = list(loader.epoch(epoch))
    return {name: torch.cat([getattr(batch, name) for batch in batches]) for name in ("images", "positions")}


@pytest.mark.parametrize("augmentation", ["standard", "none", "random-crop", "[flip, standard]"])
@pytest.mark.parametrize("cache", ["none", "memory"])
@pytest.mark.parametrize("draft", ["true", "false"])
def test_the_preview_reads_what_training_reads(large, recipe, augmentation, cache, draft):
    settings = recipe(f"augmentation={augmentation}", f"cache={cache}", f"draft={draft}")
    preprocessing = settings.preprocessing(InputSpec(size=(16, 24)))
    loader, _ = make_loaders(large, settings, preprocessing, epochs=30, device=torch.device("cpu"), workers=0)
    trained = batches_of(loader, epoch=2)
    shown = make_loaders(large, settings, preprocessing, epochs=30, device=torch.device("cpu"), workers=0)[0]
    index, reading = uncached_images(large.splits["train"], settings, preprocessing)
    images = loader.index  # of the training's own source, store or none
    for position in range(len(index)):
        ours = np.asarray(index.read(position, reading))
        assert (ours == np.asarray(images.read(position, reading))).all()
    assert (batches_of(shown, epoch=2)["images"] == trained["images"]).all()


def test_a_draft_and_a_cache_change_pixels_and_are_small(large, recipe):
    """As large as the most that a crop may be enlarged allows, and by hand: half the area, 4 / 3, 16 px / 1.5."""
    preprocessing = recipe().preprocessing(InputSpec(size=(16, 16)))
    read = {}
    for cache in ("none", "disk"):
        for draft in ("true", "false"):
            index, reading = uncached_images(
                large.splits["train"], recipe(f"cache={cache}", f"draft={draft}"), preprocessing
            )
            read[cache, draft] = index.read(0, reading)
    assert read["none", "false"].size == (300, 420)
    assert read["none", "true"].size == (38, 53)  # an eighth, rounded up
    narrowest = (0.5 * 300 * 420 * 3 / 4) ** 0.5
    share = 16 / 1.5 / narrowest
    assert read["disk", "true"].size == read["disk", "false"].size == (int(300 * share) + 1, int(420 * share) + 1)


@pytest.mark.parametrize(
    ("augmentation", "size"),
    [
        ("none", (17, 20)),  # 24 / 0.95 = 25 px, / 1.5 = 17 px of the shorter side
        ("random-crop", (16, 20)),  # 24 / 1.5, and 1.2 times that, rounded up
        ("[standard, flip]", (24, 29)),  # the narrowest part of half the area is 670.8 px: 16 of them
        ("[flip, standard]", (1000, 1200)),
        ("[gaussian-blur, standard]", (1000, 1200)),
    ],
)
def test_how_small_an_image_may_be_is_the_first_transforms_word(recipe, augmentation, size):
    settings = recipe(f"augmentation={augmentation}")
    preprocessing = settings.preprocessing(InputSpec(size=(24, 24)))
    reduction = reduction_before(settings.augmentation, preprocessing)
    assert (reduction.least(1000, 1200) if reduction else (1000, 1200)) == size


@pytest.mark.parametrize("cache", ["none", "memory", "disk"])
def test_what_is_skipped_is_listed_once_even_when_the_run_goes_on(
    train, spec_file, broken, tmp_path, monkeypatch, cache
):
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "run"
    settings = "--set", "recipe.on_corrupt=skip", "--set", f"recipe.cache={cache}"
    code, said, _ = train(spec_file, "--data", f"imagefolder:{broken}", "--epochs", 2, *settings, "--out", out)
    assert code == 0, said
    (line,) = (out / "skipped.jsonl").read_text().splitlines()
    assert json.loads(line)["image"] == str(broken / "train" / "red" / "03.png")
    with (out / "skipped.jsonl").open("a") as stream:
        stream.write('{"image": "half a li')
    manifest = out / "checkpoints" / "last" / "manifest.json"
    assert json.loads(manifest.read_text())["progress"]["epoch"] == 2
    (out / "recipe.yaml").write_text((out / "recipe.yaml").read_text().replace("epochs: 2", "epochs: 4", 1))
    code, said, _ = train("--resume", out)
    assert code == 0, said
    assert (out / "skipped.jsonl").read_text().splitlines() == [line]


@pytest.mark.parametrize("cache", ["none", "memory"])
def test_without_skipping_a_run_ends_at_the_image_and_leaves_nothing(train, spec_file, broken, tmp_path, cache):
    out = tmp_path / "run"
    code, said, _ = train(
        spec_file, "--data", f"imagefolder:{broken}", "--epochs", 1, "--set", f"recipe.cache={cache}", "--out", out
    )
    assert code == 1
    assert "03.png' cannot be read" in said
    assert not out.exists()


def test_an_image_whose_header_was_mended_after_the_cache_was_planned_stays_out(photos, tmp_path, recipe):
    root = shutil.copytree(photos, tmp_path / "mended")
    file = root / "train" / "red" / "03.png"
    whole = file.read_bytes()
    file.write_bytes(b"")
    settings = recipe("cache=memory", "on_corrupt=skip")
    preprocessing = settings.preprocessing(InputSpec(size=(16, 16)))
    data = open_folder(root, 0.15, 0.15, 0)
    loader, _ = make_loaders(data, settings, preprocessing, epochs=30, device=torch.device("cpu"), workers=0)
    file.write_bytes(whole)
    (position,) = set(range(63)) - set(batches_of(loader, epoch=0)["positions"].tolist())
    assert "could not be read when the cache was planned" in loader.skipped[position]
    assert loader.index.file(position) == file
