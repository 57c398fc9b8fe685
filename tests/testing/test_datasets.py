"""Every promise that a data set can break is one that `check_dataset` finds; the built-in ones keep them all."""

import csv
import random

import numpy as np
import pytest
import torch
from PIL import Image

import archspec
from archspec import Plugins
from archspec.testing import check_dataset

PLUGINS = Plugins(installed=False)

SOUND = """
import random
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from archspec.data import ImageData, ImageIndex
from archspec.data.decode import convert_image
from archspec.data.sources import ImageArray, ImageSource

COUNT = {"train": 24, "validation": 9, "test": 9}

class Shades(ImageSource):
    # images that are a function of their number, as in a source that needs no files
    def __init__(self, count=42):
        self.count, self.root = count, Path("shades")
    def __len__(self):
        return self.count
    def name(self, number):
        return f"shades[{number}]"
    def size(self, number):
        return 6, 4
    def picture(self, number):
        return Image.fromarray(np.full((4, 6, 3), 5 * number, dtype=np.uint8))
    def read(self, number, reading):
        return convert_image(self.picture(number), reading)
    def digest(self, numbers):
        return numbers.tobytes()

def sound(options, seed, source=None, **changes):
    source = source or Shades()
    splits, start = {}, 0
    for split, count in COUNT.items():
        splits[split] = ImageIndex(source, np.arange(count) % 3, np.arange(start, start + count))
        start += count
    return ImageData(**{"name": "shades", "root": source.root, "classes": ("a", "b", "c"), "splits": splits, **changes})

def with_splits(change):
    def make(options, seed):
        data = sound(options, seed)
        change(data.splits)
        return data
    return make

def with_source(kind):
    return lambda options, seed: sound(options, seed, kind())

def relabelled(change):
    def alter(splits):
        for split, index in splits.items():
            splits[split] = ImageIndex(index.source, change(index.labels, split), index.numbers)
    return with_splits(alter)

class Cached(Shades):
    def __init__(self):
        super().__init__()
        self.kept = {}
    def picture(self, number):
        return self.kept.setdefault(number, super().picture(number))
    def read(self, number, reading):
        return self.picture(number) if reading.channels == 3 else super().read(number, reading)

class Closed(Shades):
    def __init__(self):
        super().__init__()
        self.opened = open(__file__)
    def __del__(self):
        self.opened.close()

class Worded(Shades):
    def __init__(self):
        super().__init__()
        self.names = [f"image {number}" for number in range(42)]

class Objects(Shades):
    def __init__(self):
        super().__init__()
        self.names = np.array([("image", number) for number in range(42)] + [None], dtype=object)

class Noisy(Shades):
    def picture(self, number):
        return Image.fromarray(np.random.default_rng().integers(0, 256, (4, 6, 3), dtype=np.uint8))

class Forgetful(Shades):
    shift = 0
    def __init__(self):
        super().__init__()
        self.shift = 1
    def __getstate__(self):
        return {"count": self.count, "root": self.root}
    def picture(self, number):
        return super().picture(number + self.shift)

class Resorted(Shades):
    salt = b"here"
    def __setstate__(self, state):
        self.__dict__.update(state, salt=b"there")
    def digest(self, numbers):
        return self.salt + numbers.tobytes()

class Latest(Shades):
    latest = None
    def read(self, number, reading):
        self.latest = super().read(number, reading)
        return self.latest
    def __getstate__(self):
        return {"count": self.count, "root": self.root}

class Renaming(Shades):
    def __init__(self):
        super().__init__()
        self.prefix = "here"
    def __getstate__(self):
        return {"count": self.count, "root": self.root, "prefix": "there"}
    def name(self, number):
        return f"{self.prefix}[{number}]"

class Grey(Shades):
    def read(self, number, reading):
        return self.picture(number)

class Pixels(Shades):
    def read(self, number, reading):
        return np.asarray(self.picture(number))

class Failing(Shades):
    def read(self, number, reading):
        if number == 30:
            raise ZeroDivisionError("nothing to divide")
        return super().read(number, reading)

class Oversized(Shades):
    def size(self, number):
        return 4, 6

class Alike(Shades):
    def digest(self, numbers):
        return b"the same"

class OnlyHere(Shades):
    def read(self, number, reading):
        if torch.utils.data.get_worker_info() is not None:
            raise ValueError("this is a worker")
        return super().read(number, reading)

class OtherThere(Shades):
    def picture(self, number):
        return super().picture(number + (torch.utils.data.get_worker_info() is not None))

def changing(options, seed, calls=itertools.count()):
    data = sound(options, seed)
    data.splits["test"] = data.splits["test"].select(np.roll(np.arange(9), next(calls)))
    return data

def changing_classes(options, seed, calls=itertools.count()):
    names = ("a", "b", "c")
    return sound(options, seed, classes=names[::(-1) ** next(calls)])

def changing_splits(options, seed, calls=itertools.count()):
    data = sound(options, seed)
    if next(calls):
        data.splits["test"] = data.splits.pop("test")
        data.splits["train"] = data.splits.pop("train")
    return data

def drawn_unsaid(options, seed):
    data = sound(options, seed)
    data.splits["train"] = data.splits["train"].select(np.random.default_rng(seed).permutation(24))
    return data

def other_images(options, seed):
    return sound(options, seed, ImageArray(Path("x"), np.full((42, 4, 6, 3), seed, dtype=np.uint8)), drawn=True,
                 classes=("a", "b", "c")) if seed == 0 else sound(options, seed, drawn=True)

def other_classes(options, seed):
    return sound(options, seed, classes=("a", "b", "c") if seed == 0 else ("c", "b", "a"))

def global_torch(options, seed):
    torch.manual_seed(seed)
    return sound(options, seed)

def global_numpy(options, seed):
    np.random.shuffle(np.arange(3))
    return sound(options, seed)

def global_random(options, seed):
    random.random()
    return sound(options, seed)

def crashing(options, seed):
    return {}["classes"]

def doubled(splits):
    splits["train"] = splits["train"].select(np.arange(24).repeat(2))

def leaking(splits):
    splits["test"] = splits["test"].join(splits["train"].select(np.array([5])))

def beyond(splits):
    splits["test"] = ImageIndex(splits["test"].source, np.zeros(1), np.array([42]))
"""

BROKEN = {
    "crashing": ("crashing", r"opening it fails: KeyError: 'classes'"),
    "no-data": ("lambda options, seed: {}", "it opens as dict, not as archspec.data.ImageData"),
    "global-torch": ("global_torch", "opening it moves the global random numbers of torch"),
    "global-numpy": ("global_numpy", "opening it moves the global random numbers of numpy"),
    "global-random": ("global_random", "opening it moves the global random numbers of Python"),
    "class-list": ("lambda o, s: sound(o, s, classes=['a', 'b', 'c'])", "its `classes` must be a tuple of names"),
    "class-numbers": ("lambda o, s: sound(o, s, classes=(0, 1, 2))", "its `classes` must be a tuple of names"),
    "one-class": ("lambda o, s: sound(o, s, classes=('a',))", "it has 1 classes, and a classifier needs two"),
    "empty-class": ("lambda o, s: sound(o, s, classes=('a', ' ', 'c'))", "the name of a class is empty"),
    "class-twice": ("lambda o, s: sound(o, s, classes=('a', 'b', 'a'))", "two classes are called 'a'"),
    "notes": ("lambda o, s: sound(o, s, notes='one')", "its `notes` must be a tuple of sentences"),
    "split-name": ("with_splits(lambda s: s.update(val=s.pop('validation')))", "it has a split 'val'; splits are"),
    "no-train": ("with_splits(lambda s: s.pop('train'))", "it has no train split"),
    "no-validation": ("with_splits(lambda s: s.pop('validation'))", "it has no validation split"),
    "no-index": ("with_splits(lambda s: s.update(test=[1, 2]))", "its test split is a list, not an .*ImageIndex"),
    "empty-split": (
        "with_splits(lambda s: s.update(test=s['test'].select(np.arange(0))))",
        "its test split is empty",
    ),
    "label-high": (
        "relabelled(lambda l, split: l + (split == 'test'))",
        "its test split has the label 3, and labels go",
    ),
    "label-low": ("relabelled(lambda l, split: l - 1)", "its train split has the label -1, and labels go from 0 to 2"),
    "class-untrained": (
        "relabelled(lambda l, split: l % (2 if split == 'train' else 3))",
        "its training split has no image of the class 'c'",
    ),
    "image-beyond": ("with_splits(beyond)", "its test split asks for the image 42 of a source of 42"),
    "leak": ("with_splits(leaking)", r"the image 'shades\[5\]' is in train and in test, or two images have one name"),
    "double": ("with_splits(doubled)", r"the image 'shades\[0\]' is twice in the train split"),
    "changing": ("changing", "opened twice with seed 0, its test split holds other images"),
    "changing-classes": (
        "changing_classes",
        "opened twice with seed 0, it has other classes: sort what",
    ),
    "changing-splits": ("changing_splits", "opened twice with seed 0, it has other splits, or in another order: sort"),
    "fingerprint": (
        "with_source(Resorted)",
        "its train split has another fingerprint after a pickle: loader",
    ),
    "latest": (
        "with_source(Latest)",
        "its train split keeps the images that were read: an epoch",
    ),
    "drawn-unsaid": (
        "drawn_unsaid",
        "another seed changes its train split, and it does not say that splits are `drawn`",
    ),
    "other-images": ("other_images", "another seed gives it other images"),
    "other-classes": ("other_classes", "another seed gives it other classes or splits"),
    "no-pickle": ("with_source(Closed)", "its train split cannot be sent to a loader's process: TypeError: "),
    "forgetful": ("with_source(Forgetful)", r"the image 'shades\[0\]' is another one after a pickle"),
    "renaming": ("with_source(Renaming)", r"the image 'here\[0\]' is called 'there\[0\]' after a pickle"),
    "noisy": ("with_source(Noisy)", r"the image 'shades\[0\]' is another one each time that it is read"),
    "mode": (
        "with_source(Grey)",
        r"the image 'shades\[0\]' comes as RGB of 6x4, where an image of mode L was asked for",
    ),
    "no-image": (
        "with_source(Pixels)",
        r"the image 'shades\[0\]' comes as ndarray, where an image of mode L was asked for",
    ),
    "unreadable": ("with_source(Failing)", r"'shades\[30\]' cannot be read in 1 channels: ZeroDivisionError"),
    "size": ("with_source(Oversized)", r"the image 'shades\[0\]' has \(6, 4\) pixels, and \(4, 6\) were said"),
    "digest": ("with_source(Alike)", "the digest of its train split does not tell other images from these"),
    "list": ("with_source(Worded)", "its train split keeps a list of 42 entries for 42 images; use an array"),
    "objects": ("with_source(Objects)", "its train split keeps an array of objects of 43 entries for 42 images"),
    "kept": ("with_source(Cached)", "its train split keeps the images that were read|keeps a dict of"),
    "worker-fails": (
        "with_source(OnlyHere)",
        "its train split cannot be read by 2 loader processes: .*this is a worker",
    ),
    "worker-differs": ("with_source(OtherThere)", "its train split gives other batches in loader processes"),
}


@pytest.fixture
def dataset(plugins_of):
    """A data set that this expression makes, over the sound one's module."""

    def offer(make):
        hook = f"""
        @hookimpl
        def archspec_datasets():
            return {{"shades": Offer(Options, {make})}}
        """
        return plugins_of(SOUND + "\n".join(line[8:] for line in hook.splitlines()))

    return offer


def test_a_sound_data_set_passes(dataset):
    plugins = dataset("sound")
    check_dataset("shades", plugins=plugins)
    check_dataset("shades", plugins=plugins, seed=7)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_found(dataset, name):
    make, message = BROKEN[name]
    with pytest.raises(AssertionError, match=message) as caught:
        check_dataset("shades", plugins=dataset(make))
    assert str(caught.value).startswith("dataset 'shades' of plugin_")


@pytest.fixture
def folder(tmp_path):
    """Two classes of 12 photos each."""
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.random.default_rng([label, number]).integers(0, 256, (9, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number:02d}.png")
    return tmp_path / "photos"


def test_a_folder_of_images_passes(folder, photos):
    check_dataset("imagefolder", plugins=PLUGINS, options={"root": str(folder)})
    check_dataset("imagefolder", plugins=PLUGINS, options={"root": str(photos)}, seed=3)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_passes(folder, suffix):
    rows = [(str(path.relative_to(folder)), path.parent.name) for path in sorted(folder.rglob("*.png"))]
    table = folder / f"t.{suffix}"
    if suffix == "csv":
        with table.open("w", newline="") as stream:
            csv.writer(stream).writerows([("path", "label"), *rows])
    elif suffix == "jsonl":
        table.write_text("".join(f'{{"path": "{path}", "label": "{label}"}}\n' for path, label in rows))
    else:
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        paths, labels = zip(*rows, strict=True)
        parquet.write_table(pyarrow.table({"path": paths, "label": labels}), table)
    check_dataset("table", plugins=PLUGINS, options={"root": str(table)})


def test_digits_pass():
    pytest.importorskip("sklearn")
    check_dataset("digits", plugins=PLUGINS)


def test_noise_passes():
    check_dataset("fake", plugins=PLUGINS, options={"images": 60, "classes": 4, "size": 24, "seed": 5})


def test_the_message_ends_with_the_options(dataset, plugins_of):
    plugins = plugins_of(
        SOUND
        + """
class ShadesOptions(Options):
    count: int = 3

@hookimpl
def archspec_datasets():
    return {"shades": Offer(ShadesOptions, crashing)}
"""
    )
    with pytest.raises(AssertionError) as caught:
        check_dataset("shades", plugins=plugins, options={"count": 5})
    module = plugins.plugins[-1].module
    assert str(caught.value) == (
        f"dataset 'shades' of {module}: opening it fails: KeyError: 'classes'\nwith these options:\n    count: 5\n"
    )


def test_what_is_the_callers_error_is_raised_as_such(tmp_path):
    with pytest.raises(archspec.errors.PluginError, match="unknown dataset 'imagefoldr'"):
        check_dataset("imagefoldr", plugins=PLUGINS)
    with pytest.raises(archspec.errors.DocumentError, match="unknown key 'rot'"):
        check_dataset("imagefolder", plugins=PLUGINS, options={"rot": "x"})
    with pytest.raises(archspec.errors.DataError, match="does not exist"):
        check_dataset("imagefolder", plugins=PLUGINS, options={"root": str(tmp_path / "nowhere")})


def test_random_numbers_are_as_if_nothing_was_checked():
    before = torch.get_rng_state(), random.getstate()
    check_dataset("fake", plugins=PLUGINS, options={"images": 10, "classes": 2, "size": 8})
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
