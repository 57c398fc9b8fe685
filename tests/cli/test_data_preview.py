"""`data preview`: a picture of what the network will see, or an error and nothing written."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def preview(cli, photos, in_empty_folder):
    def call(*arguments, data=f"imagefolder:{photos}", output="seen.png"):
        return cli("data", "preview", data, "--output", output, *arguments)

    return call


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_picture_of_images_and_their_views(preview, in_empty_folder):
    result = preview("--size", 16, "--images", 4, "--views", 3)
    assert result.code == 0
    assert result.out == "wrote seen.png: 4 images of train\n"
    assert result.err == ""
    assert [path.name for path in in_empty_folder.iterdir()] == ["seen.png"]
    with Image.open("seen.png") as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        assert image.width == 2 * 28 + 5 * 112 + 4 * 6 + 22


def test_the_picture_depends_on_the_settings_alone(preview, in_empty_folder):
    common = "--size", 16, "--images", 3, "--views", 2
    changes = {"a.png": [], "b.png": [], "c.png": ["--epoch", 2], "d.png": ["--set", "recipe.seed=1"]}
    changes["e.png"] = ["--set", "recipe.augmentation=strong"]
    for output, change in changes.items():
        assert preview(*common, *change, output=output).code == 0
    content = {name: (in_empty_folder / name).read_bytes() for name in changes}
    assert content["a.png"] == content["b.png"]
    assert len(set(content.values())) == 4


def test_a_column_is_an_epoch(preview):
    """The second column of epoch 1 on is the first of epoch 2 on."""
    common = "--size", 16, "--images", 3, "--views", 2
    preview(*common, output="one.png")
    preview(*common, "--epoch", 2, output="two.png")
    first, second = pixels("one.png"), pixels("two.png")
    left = 28 + 2 * 118 + 22
    below = slice(130, None)  # under the title and the headings
    assert (first[below, left + 118 : left + 230] == second[below, left : left + 112]).all()
    assert (first[below, left : left + 112] != second[below, left : left + 112]).any()


def test_what_is_shown_is_listed_as_json(preview):
    found = preview("--size", 16, "--images", 4, "--views", 2, "--epoch", 5, "--json").json
    assert found["epochs"] == [5, 6]
    assert found["size"] == [16, 16]
    assert {image["class"] for image in found["images"]} == {"blue", "green", "red"}
    assert all(image["image"].endswith(".png") for image in found["images"])


def test_the_input_of_a_spec_decides_size_and_channels(preview, spec_file):
    found = preview("--spec", spec_file, "--set", "input={channels: 1, size: [12, 20]}", "--images", 2, "--json").json
    assert found["size"] == [12, 20]
    shown = pixels("seen.png")[150:]
    assert (shown.std(axis=2) < 8).mean() > 0.99  # images of one channel have no colours


def test_a_split_can_be_named(preview):
    assert "of test" in preview("--size", 16, "--images", 2, "--split", "test").out


def test_mixed_batches_are_shown_with_their_shares(preview):
    arguments = ["--size", 16, "--images", 3, "--mixed", "--set", "recipe.batch_size=8"]
    result = preview(*arguments, "--set", "recipe.mixup=1")
    assert result.code == 0
    assert result.out == "wrote seen.png: 3 batches of train\n"
    mixup = pixels("seen.png")
    preview(*arguments, "--set", "recipe.mixup=1", output="again.png")
    assert (pixels("again.png") == mixup).all()
    preview(*arguments, "--set", "recipe.cutmix=1", output="cutmix.png")
    cutmix = pixels("cutmix.png")
    assert mixup.shape != cutmix.shape or (mixup != cutmix).any()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mixed"], "the recipe mixes nothing"),
        (["--split", "holdout"], "the data has no split 'holdout'"),
        (["--recipe", "quik"], "did you mean 'quick'?"),
        (["--set", "recipe.augmentation=flip"], "has no transform that makes the network's size"),
        (["--set", "recipe.mean=[0.5]"], "`mean` has 1 values"),
        (["--spec", "resnet999"], "resnet999"),
    ],
)
def test_a_wrong_setting_writes_nothing(preview, in_empty_folder, arguments, said):
    result = preview(*arguments)
    assert result.code == 1
    assert said in result.err
    assert list(in_empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "output", "said"),
    [
        (["--size", 16, "--spec", "tiny"], "seen.png", "--spec has a size already"),
        (["--set", "input.size=16"], "seen.png", "name it with --spec"),
        ([], "seen.jpg", "must end in .png"),
        ([], "", "it is empty"),
        (["--images", 0], "seen.png", "--images"),
    ],
)
def test_wrong_usage(preview, in_empty_folder, arguments, output, said):
    result = preview(*arguments, output=output)
    assert result.code == 2
    assert said in result.err
    assert list(in_empty_folder.iterdir()) == []


def test_a_picture_may_be_replaced_and_another_file_may_not(preview, in_empty_folder):
    file = in_empty_folder / "seen.png"
    for content in (b"my thesis", b"GIF89a"):
        file.write_bytes(content)
        result = preview("--size", 16, "--images", 1)
        assert result.code == 1
        assert "exists already, and is no PNG picture" in result.err
        assert file.read_bytes() == content
    stream = io.BytesIO()
    Image.new("L", (1, 1)).save(stream, "PNG")
    file.write_bytes(stream.getvalue())
    assert preview("--size", 16, "--images", 1).code == 0
    assert pixels(file).shape[0] > 100
    file.unlink()
    file.mkdir()
    assert preview("--size", 16, "--images", 1).code == 1


def test_a_folder_of_the_output_is_made(preview):
    assert preview("--size", 16, "--images", 1, output="plots/seen.png").code == 0
    assert pixels("plots/seen.png").size


def test_an_unreadable_image_is_named_and_nothing_written(cli, photos, in_empty_folder):
    shutil.copytree(photos, in_empty_folder / "photos")
    for path in (in_empty_folder / "photos" / "train").rglob("*.png"):
        path.write_bytes(path.read_bytes()[:99])
    result = cli("data", "preview", "imagefolder:photos", "--output", "seen.png", "--size", 16)
    assert result.code == 1
    assert "cannot be read" in result.err
    assert not (in_empty_folder / "seen.png").exists()


def test_names_that_the_font_lacks_and_long_ones_are_no_fault(cli, in_empty_folder):
    for number, name in enumerate(("😀" * 9, "a" * 200, "Ünïcödé 花", "x")):
        (in_empty_folder / "photos" / name).mkdir(parents=True)
        for image in range(3):
            Image.new("RGB", (9, 9), (40 * number, 9, 9)).save(in_empty_folder / "photos" / name / f"{image}.png")
    result = cli("data", "preview", "imagefolder:photos", "--output", "seen.png", "--size", 16)
    assert result.code == 0, result.err
