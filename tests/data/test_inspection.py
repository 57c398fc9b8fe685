"""What an inspection says of a data set, against numpy, hashlib and Pillow by hand."""

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.data.findings import find_faults
from archspec.data.folder import open_folder
from archspec.data.index import ImageData, ImageIndex
from archspec.data.inspection import inspect, join_splits
from archspec.data.look import LOOK, look_at
from archspec.data.sources import ImageArray
from archspec.data.survey import survey


def noise(seed, width=24, height=24, low=0, high=256):
    return np.random.default_rng(seed).integers(low, high, (height, width, 3), dtype=np.uint8)


def photo(seed, width=120, height=90):
    """Smooth blobs of colour with some detail, as photos have."""
    small = Image.fromarray(noise(seed, 9, 7)).resize((width, height), Image.Resampling.BICUBIC)
    return Image.blend(small, Image.fromarray(noise(seed + 1000, width, height)), 0.06)


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


@pytest.fixture
def root(tmp_path):
    """Two classes of photos that are all different: 12 to train on, 3 for validation, 3 for test."""
    seed = 0
    for split, count in (("train", 12), ("val", 3), ("test", 3)):
        for name in ("cat", "dog"):
            for number in range(count):
                seed += 1
                save(photo(seed), tmp_path / split / name / f"{number:02d}.png")
    return tmp_path


def look(root, workers=0):
    data = open_folder(root, 0.15, 0.15, 0)
    return inspect(data, survey(join_splits(data), workers))


def messages(inspection, severity):
    return [finding.message for finding in find_faults(inspection) if finding.severity == severity]


def pairs(inspection, root):
    """{(first, second): (kind, mirrored)}, as paths below the folder."""
    return {
        tuple(str(Path(copy.path).relative_to(root)) for copy in (pair.first, pair.second)): (pair.kind, pair.mirrored)
        for pair in inspection.duplicates.pairs
    }


def test_a_sound_folder_has_no_faults(root):
    inspection = look(root)
    assert find_faults(inspection) == []
    assert inspection.classes == ("cat", "dog")
    assert [(split.name, split.images) for split in inspection.splits] == [
        ("train", 24),
        ("validation", 6),
        ("test", 6),
    ]
    assert inspection.splits[0].per_class == {"cat": 12, "dog": 12}


def test_mean_and_deviation_are_those_of_all_training_pixels(root):
    pixels = np.stack([np.asarray(Image.open(path)) for path in sorted(root.glob("train/*/*.png"))]) / 255
    inspection = look(root)
    assert inspection.mean == pytest.approx(pixels.mean((0, 1, 2)), abs=5.1e-5)
    assert inspection.std == pytest.approx(pixels.std((0, 1, 2)), abs=5.1e-5)
    assert inspection.channels == 3


def test_images_of_other_sizes_weigh_alike(tmp_path):
    levels = {"a": (0, 4), "b": (255, 400)}  # black images of 4 pixels a side, white ones of 400
    for name, (level, side) in levels.items():
        for split in ("train", "val"):
            save(Image.new("L", (side, side), level), tmp_path / split / name / "x.png")
    inspection = look(tmp_path)
    assert (inspection.channels, inspection.mean, inspection.std) == (1, (0.5,), (0.5,))


def test_sizes_aspects_modes_and_formats_are_the_files(tmp_path):
    images = {
        "rgb.png": Image.fromarray(noise(1, 40, 80)),
        "grey.jpg": Image.fromarray(noise(2, 50, 50)).convert("L"),
        "cmyk.jpg": Image.fromarray(noise(3, 60, 30)).convert("CMYK"),
        "palette.gif": Image.fromarray(noise(4, 70, 70)).convert("P"),
        "alpha.webp": Image.fromarray(noise(5, 90, 90)).convert("RGBA"),
        "deep.png": Image.fromarray(np.arange(10_000, dtype=np.uint16).reshape(100, 100)),
    }
    images["alpha.webp"].putalpha(99)
    for name, image in images.items():
        save(image, tmp_path / "train/a" / name)
    save(photo(1), tmp_path / "train/b/x.png")
    save(photo(2), tmp_path / "val/a/x.png")
    train = look(tmp_path).splits[0]
    assert train.modes == {"RGB": 2, "L": 1, "CMYK": 1, "P": 1, "RGBA": 1, "I;16": 1}
    assert train.formats == {"PNG": 3, "JPEG": 2, "GIF": 1, "WEBP": 1}
    widths, heights = [40, 50, 60, 70, 90, 100, 120], [80, 50, 30, 70, 90, 100, 90]
    for spread, values in (
        (train.width, widths),
        (train.height, heights),
        (train.aspect, np.divide(widths, heights)),
    ):
        assert (spread.least, spread.median, spread.most) == pytest.approx(
            (min(values), np.median(values), max(values)), abs=1e-4
        )
    assert train.grey == 2  # the grey JPEG, and 16 bits
    assert train.tiny.count == 1
    assert Path(train.tiny.paths[0]).name == "cmyk.jpg"


def test_a_photo_is_measured_upright_and_counted_as_turned(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(photo(99, 300, 100), root / "train/cat/turned.jpg", exif=exif)
    train = look(root).splits[0]
    assert (train.width.least, train.height.most) == (100, 300)
    assert train.rotated == 1


def test_animations_and_wrong_suffixes_are_told_and_a_phones_photo_is_a_jpeg(root):
    frames = [photo(500), photo(501)]
    save(frames[0], root / "train/cat/moves.gif", save_all=True, append_images=frames[1:])
    save(photo(502), root / "train/cat/png.jpg", format="PNG")
    save(photo(503), root / "train/cat/phone.jpg", format="MPO", save_all=True, append_images=[photo(504)])
    save(photo(505), root / "train/cat/other.jpe", format="JPEG")
    train = look(root).splits[0]
    assert [Path(path).name for path in train.frames.paths] == ["moves.gif"]
    assert [Path(path).name for path in train.misnamed.paths] == ["png.jpg"]


@pytest.mark.parametrize("workers", [0, 2])
def test_corrupt_files_are_listed_with_their_reasons_and_nothing_else_is_lost(root, workers):
    whole = save(photo(7), root / "train/cat/whole.jpg").read_bytes()
    (root / "train/cat/cut.jpg").write_bytes(whole[:700])
    (root / "val/dog/empty.png").write_bytes(b"")
    (root / "val/dog/text.png").write_text("no image")
    inspection = look(root, workers)
    corrupt = {split.name: [Path(file.path).name for file in split.corrupt] for split in inspection.splits}
    assert corrupt == {"train": ["cut.jpg"], "validation": ["empty.png", "text.png"], "test": []}
    reasons = [file.reason for split in inspection.splits for file in split.corrupt]
    assert "truncated" in reasons[0]
    assert "it is empty" in reasons[1]
    assert "no image that Pillow knows" in reasons[2]
    assert inspection.splits[0].images == 26
    assert messages(inspection, "error") == [
        "1 file of train cannot be read",
        "2 files of validation cannot be read",
    ]


def test_processes_see_what_one_process_sees(root):
    index = join_splits(open_folder(root, 0.15, 0.15, 0))
    alone, together = (np.concatenate([part.rows for part in survey(index, workers)]) for workers in (0, 2))
    assert alone.tobytes() == together.tobytes()


def test_the_suggested_size_is_what_three_of_four_training_images_reach(tmp_path):
    for number, side in enumerate((20, 70, 100, 110, 120, 500, 600, 700)):
        save(Image.fromarray(noise(number, side, 2 * side)), tmp_path / f"train/{'ab'[number % 2]}/{number}.png")
    save(photo(1), tmp_path / "val/a/x.png")
    assert look(tmp_path).input_size == 64  # 70 is the shorter side of the second of eight


@pytest.mark.parametrize(("side", "expected"), [(8, 32), (31, 32), (64, 64), (95, 64), (224, 224), (900, 224)])
def test_the_suggested_size_is_a_multiple_of_32_up_to_224(tmp_path, side, expected):
    for number, folder in enumerate(("train/a", "train/b", "val/a")):
        save(Image.fromarray(noise(number, side, side)), tmp_path / folder / "x.png")
    assert look(tmp_path).input_size == expected


def test_exact_copies_are_found_within_and_across_splits_whatever_their_format(root):
    first = Image.open(root / "train/cat/00.png")
    save(first, root / "train/cat/zz.bmp")
    save(first, root / "test/cat/leak.png", compress_level=0)
    inspection = look(root)
    assert pairs(inspection, root) == {
        ("train/cat/00.png", "test/cat/leak.png"): ("exact", False),
        ("train/cat/00.png", "train/cat/zz.bmp"): ("exact", False),
    }
    assert inspection.duplicates.leaked == {("test", "train"): 1}
    assert inspection.duplicates.repeated == {"train": 1}
    assert messages(inspection, "error") == ["1 test image is also in train"]
    assert messages(inspection, "warning") == ["1 train image is a copy of another in it"]


def recompressed(image):
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=40)
    return Image.open(stream)


NEAR = {
    "smaller": lambda image: image.resize((60, 45), Image.Resampling.BILINEAR),
    "squashed": lambda image: image.resize((64, 64), Image.Resampling.BICUBIC),
    "recompressed": recompressed,
    "brighter": lambda image: image.point(lambda level: min(255, level + 12)),
    "less contrast": lambda image: image.point(lambda level: level * 0.7 + 30),
    "grey": lambda image: image.convert("L"),
}


@pytest.mark.parametrize("change", NEAR)
def test_a_changed_copy_is_near(root, change):
    save(NEAR[change](Image.open(root / "train/dog/03.png")), root / "val/dog/copy.png")
    inspection = look(root)
    assert pairs(inspection, root) == {("train/dog/03.png", "val/dog/copy.png"): ("near", False)}
    assert inspection.duplicates.leaked == {("validation", "train"): 1}


def test_a_mirrored_copy_is_a_copy_since_training_mirrors(root):
    mirrored = Image.open(root / "train/dog/03.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    save(mirrored, root / "test/dog/copy.png")
    assert pairs(look(root), root) == {("train/dog/03.png", "test/dog/copy.png"): ("near", True)}


FAR = {
    "upside down": lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "a third cut off": lambda image: image.crop((0, 0, 80, 90)),
    "another colour": lambda image: Image.merge("RGB", [image.getchannel(band) for band in "BRG"]),
}


@pytest.mark.parametrize("change", FAR)
def test_another_image_is_not_near(root, change):
    save(FAR[change](Image.open(root / "train/dog/03.png")), root / "val/dog/copy.png")
    assert pairs(look(root), root) == {}


def test_shapes_that_differ_in_colour_alone_are_no_copies(tmp_path):
    """Of one brightness: the grey pictures are the same, and the label is the colour."""
    for split, grow in (("train", 0), ("val", 1)):
        for name, colour in (("red", (200, 60, 60)), ("green", (60, 130, 60))):
            image = np.zeros((64, 64, 3), np.uint8)
            image[16 + grow : 40 + 3 * grow, 8:30] = colour
            save(Image.fromarray(image), tmp_path / split / name / "x.png")
    inspection = look(tmp_path)
    assert inspection.duplicates.conflicts == 0


def test_one_image_under_two_labels_is_an_error(root):
    save(Image.open(root / "train/cat/05.png"), root / "train/dog/same.png")
    inspection = look(root)
    assert messages(inspection, "error") == ["1 image stands under two labels: cat and dog"]
    assert inspection.duplicates.pairs[0].conflicts


def test_leaks_come_first_then_two_labels_then_the_rest(root):
    save(Image.open(root / "train/cat/01.png"), root / "train/cat/again.png")
    save(Image.open(root / "train/cat/02.png"), root / "train/dog/two.png")
    save(Image.open(root / "train/cat/03.png"), root / "val/cat/v.png")
    save(Image.open(root / "train/cat/04.png"), root / "test/cat/t.png")
    listed = look(root).duplicates.pairs
    assert [Path(pair.second.path).stem for pair in listed] == ["t", "v", "two", "again"]


def test_a_leak_is_counted_through_the_copy_of_a_copy(root):
    """Two equal test images, of which a training image is a smaller copy: both are seen in training."""
    image = Image.open(root / "train/cat/07.png")
    save(NEAR["smaller"](image), root / "test/cat/one.png")
    save(NEAR["smaller"](image), root / "test/cat/two.png")
    assert look(root).duplicates.leaked == {("test", "train"): 2}


def test_flat_images_are_copies_only_where_every_pixel_is_the_same(root):
    for number in range(40):
        save(Image.new("RGB", (50, 50), (number, 90, 90)), root / f"train/cat/flat{number:02d}.png")
    save(Image.new("RGB", (50, 50), (7, 90, 90)), root / "test/cat/flat.png")
    inspection = look(root)
    assert pairs(inspection, root) == {("train/cat/flat07.png", "test/cat/flat.png"): ("exact", False)}
    assert "41 images of one colour" in messages(inspection, "warning")


def test_ten_thousand_copies_are_a_pair_each_and_the_list_is_cut():
    pixels = np.repeat(noise(0, 8, 8)[None], 10_050, axis=0)
    splits = {
        "train": ImageIndex(ImageArray(Path("many"), pixels[:10_020]), np.arange(10_020) % 2),
        "test": ImageIndex(ImageArray(Path("few"), pixels[10_020:]), np.zeros(30, int)),
    }
    data = ImageData("arrays", Path("many"), ("a", "b"), splits)
    inspection = inspect(data, survey(join_splits(data)))
    assert inspection.duplicates.found == 10_049
    assert len(inspection.duplicates.pairs) == 10_000
    assert all(pair.leaks for pair in inspection.duplicates.pairs[:30])
    assert inspection.duplicates.leaked == {("test", "train"): 30}
    assert messages(inspection, "note")[0] == "of 10,049 pairs of copies the first 10,000 are listed"


def test_images_in_memory_are_inspected_too():
    grey = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    index = ImageIndex(ImageArray(Path("digits"), grey), np.arange(40) % 2)
    data = ImageData("digits", Path("digits"), ("even", "odd"), {"train": index})
    inspection = inspect(data, survey(join_splits(data), workers=2))
    train = inspection.splits[0]
    assert (train.modes, train.formats, train.grey) == ({"L": 40}, {}, 40)
    assert inspection.mean == pytest.approx((grey.mean() / 255,), abs=5.1e-5)
    assert inspection.std == pytest.approx((grey.std() / 255,), abs=5.1e-5)
    assert (inspection.channels, inspection.input_size) == (1, 32)
    assert train.tiny.paths[0] == "digits[0]"


def test_imbalance_few_and_absent_classes_are_told(make_folder):
    root = make_folder({"train/a": 40, "train/b": 12, "train/c": 4, "val/a": 2, "val/b": 1, "test/a": 2, "test/c": 1})
    inspection = look(root)
    assert messages(inspection, "warning") == [
        "validation has no images of c",
        "test has no images of b",
        "train has fewer than 10 images of c (4)",
        "the largest class, a, has 10.0 times the images of the smallest, c",
    ]
    assert messages(inspection, "error") == []
    assert [message for message in messages(inspection, "note") if "no images of" in message] == []


def test_a_drawn_split_is_noted(make_folder):
    assert "kept out of training" in messages(look(make_folder({"a": 20, "b": 20})), "note")[-1]


def test_a_folder_of_nothing_readable_is_no_crash(tmp_path):
    for folder in ("train/a", "train/b", "val/a"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.jpg").write_bytes(b"x")
    inspection = look(tmp_path)
    assert (inspection.mean, inspection.std, inspection.input_size) == (None, None, None)
    assert len(messages(inspection, "error")) == 2


def test_memory_does_not_grow_with_the_pixels(tmp_path):
    """2,000 images of 25 MB in all: what is kept of each is half a kilobyte, twice while arrays are joined."""
    image = Image.fromarray(noise(0, 64, 64))
    for number in range(2_000):
        save(image, tmp_path / f"train/{'ab'[number % 2]}/{number}.bmp")
    save(image, tmp_path / "val/a/x.bmp")
    index = join_splits(open_folder(tmp_path, 0.15, 0.15, 0))
    look_at(index, range(5))
    tracemalloc.start()
    rows = np.concatenate([part.rows for part in survey(index, 0)])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows) == 2_001
    assert most < 10_000_000  # with Python's table of interned file names, when it grows
    assert LOOK.itemsize < 512
