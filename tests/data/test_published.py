"""Published data sets, on small files laid out as torchvision expects them, against torchvision itself. No network."""

import hashlib
import json
import pickle
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.data.reading import Reading
from archspec.errors import DataError
from archspec.plugins import default_plugins
from archspec.spec.settings import default_options
from archspec.testing import check_dataset

datasets = pytest.importorskip("torchvision.datasets")
PLUGINS = default_plugins()
NAMES = ("cifar10", "cifar100", "mnist", "fashion-mnist", "flowers102", "food101", "oxford-iiit-pet", "imagenette")
TWO_SPLITS = ("cifar10", "cifar100", "mnist", "fashion-mnist", "food101", "oxford-iiit-pet")
KINDS = {
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "flowers102": "Flowers102",
    "food101": "Food101",
    "oxford-iiit-pet": "OxfordIIITPet",
    "imagenette": "Imagenette",
}
EACH = 10
"""Images a class in training; a split to test on has two."""


def noise(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save_photo(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed, 20, 24, 3)).save(path, quality=90)


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_cifar(root, monkeypatch, kind, folder, batches, classes, key, meta_file):
    """Pickles of (N, 3072) and a list of labels; torchvision knows the MD5 of each."""
    lists = {}
    for part, (names, count) in enumerate(((batches[:-1], EACH), (batches[-1:], 2))):
        lists[part] = []
        for number, name in enumerate(names):
            labels = [label for label in range(classes) for _ in range(count)][number :: len(names)]
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pickle.dumps({"data": noise(number + 10 * part, len(labels), 3072), key: labels}))
            lists[part].append([name, md5(path)])
    names_key = {"labels": "label_names", "fine_labels": "fine_label_names"}[key]
    path = root / folder / meta_file
    path.write_bytes(pickle.dumps({names_key: [f"class {label}" for label in range(classes)]}))
    monkeypatch.setattr(kind, "train_list", lists[0])
    monkeypatch.setattr(kind, "test_list", lists[1])
    monkeypatch.setattr(kind, "meta", {"filename": meta_file, "key": names_key, "md5": md5(path)})


def write_cifar10(root, monkeypatch):
    batches = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    arguments = "cifar-10-batches-py", batches, 10, "labels", "batches.meta"
    write_cifar(root, monkeypatch, datasets.CIFAR10, *arguments)


def write_cifar100(root, monkeypatch):
    arguments = "cifar-100-python", ["train", "test"], 100, "fine_labels", "meta"
    write_cifar(root, monkeypatch, datasets.CIFAR100, *arguments)


def write_idx(root, monkeypatch, folder="MNIST"):
    """A big-endian header of type 8 (uint8) and the sizes; then the bytes."""
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    for seed, (split, count) in enumerate((("train", EACH), ("t10k", 2))):
        images, labels = noise(seed, 10 * count, 28, 28), np.arange(10 * count, dtype=np.uint8) % 10
        (raw / f"{split}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, *images.shape) + images.tobytes())
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, len(labels)) + labels.tobytes())


def write_fashion_mnist(root, monkeypatch):
    write_idx(root, monkeypatch, "FashionMNIST")


def write_flowers102(root, monkeypatch):
    savemat = pytest.importorskip("scipy.io").savemat
    folder = root / "flowers-102"
    labels = np.tile(np.arange(1, 103), 4)
    for number in range(1, len(labels) + 1):
        save_photo(folder / "jpg" / f"image_{number:05d}.jpg", number)
    numbers = np.arange(1, len(labels) + 1)
    savemat(folder / "imagelabels.mat", {"labels": labels})
    savemat(folder / "setid.mat", {"trnid": numbers[:204], "valid": numbers[204:306], "tstid": numbers[306:]})
    files = {"image": ("102flowers.tgz", "")}
    files |= {
        kind: (f"{name}.mat", md5(folder / f"{name}.mat"))
        for kind, name in (("label", "imagelabels"), ("setid", "setid"))
    }
    monkeypatch.setattr(datasets.Flowers102, "_file_dict", files)


def write_food101(root, monkeypatch):
    folder = root / "food-101"
    (folder / "meta").mkdir(parents=True)
    for split, count in (("train", EACH), ("test", 2)):
        listed = {name: [f"{name}/{split}{n}" for n in range(count)] for name in ("waffles", "apple_pie", "gnocchi")}
        (folder / "meta" / f"{split}.json").write_text(json.dumps(listed))
        for seed, path in enumerate(path for paths in listed.values() for path in paths):
            save_photo(folder / "images" / f"{path}.jpg", seed)


def write_pets(root, monkeypatch):
    folder = root / "oxford-iiit-pet"
    (folder / "annotations").mkdir(parents=True)
    for split, count in (("trainval", EACH), ("test", 2)):
        lines = []
        for label, name in enumerate(("Abyssinian", "great_pyrenees", "pug"), start=1):
            for number in range(count):
                image = f"{name}_{number + (100 if split == 'test' else 0)}"
                save_photo(folder / "images" / f"{image}.jpg", 10 * label + number)
                lines.append(f"{image} {label} 1 1\n")
        (folder / "annotations" / f"{split}.txt").write_text("".join(lines))


def write_imagenette(root, monkeypatch, folder="imagenette2-160"):
    for split, count in (("train", 6), ("val", 2)):
        for label, wnid in enumerate(datasets.Imagenette._WNID_TO_CLASS):
            for number in range(count):
                save_photo(root / folder / split / wnid / f"{wnid}_{number}.JPEG", 10 * label + number)


WRITE = dict(
    zip(
        NAMES,
        (
            write_cifar10,
            write_cifar100,
            write_idx,
            write_fashion_mnist,
            write_flowers102,
            write_food101,
            write_pets,
            write_imagenette,
        ),
        strict=True,
    )
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("a test must not touch the network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("socket.create_connection", refuse)


@pytest.fixture
def open_(tmp_path):
    def make(name, seed=0, root=tmp_path, **options):
        options = default_options("datasets", name, PLUGINS, root=str(root), **options)
        return options.offer.make(options, seed)

    return make


def theirs_of(name, root):
    """torchvision's data sets in the order of our splits."""
    kind = getattr(datasets, KINDS[name])
    if name in ("cifar10", "cifar100", "mnist", "fashion-mnist"):
        return [kind(root, train=True), kind(root, train=False)]
    splits = {"flowers102": ("train", "val", "test"), "oxford-iiit-pet": ("trainval", "test")}
    if name == "imagenette":
        return [kind(root, split=split, size="160px") for split in ("train", "val")]
    return [kind(root, split=split) for split in splits.get(name, ("train", "test"))]


def contents(index, classes, mode):
    """{pixels: class} of every image of an index."""
    reading = Reading({"L": 1, "RGB": 3}[mode])
    images = [index.read(position, reading).convert("RGB").tobytes() for position in range(len(index))]
    return dict(zip(images, (classes[label] for label in index.labels), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_images_and_labels_are_torchvisions(name, open_, tmp_path, monkeypatch):
    WRITE[name](tmp_path, monkeypatch)
    data = open_(name)
    assert data.name == name
    splits = [data.splits["train"], *(data.splits[split] for split in ("validation", "test") if split in data.splits)]
    if name in TWO_SPLITS:
        assert data.drawn
        splits = [data.splits["train"].join(data.splits["validation"]), data.splits["test"]]
    theirs = theirs_of(name, tmp_path)
    assert len(splits) == len(theirs)
    for ours, their in zip(splits, theirs, strict=True):
        names = [entry[0] if isinstance(entry, tuple) else entry for entry in their.classes]
        names = [entry.partition(" - ")[0] for entry in names] if name == "mnist" else names
        assert list(data.classes) == names
        expected = {image.convert("RGB").tobytes(): names[label] for image, label in their}
        assert contents(ours, data.classes, their[0][0].mode) == expected
        assert len(expected) == len(their) == len(ours)


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_the_check_for_plugins(name, tmp_path, monkeypatch):
    WRITE[name](tmp_path, monkeypatch)
    check_dataset(name, options={"root": str(tmp_path)})


@pytest.mark.parametrize("name", TWO_SPLITS)
def test_validation_is_drawn_from_training_alone_with_every_class_alike(name, open_, tmp_path, monkeypatch):
    WRITE[name](tmp_path, monkeypatch)
    data, other = open_(name, validation=0.2), open_(name, seed=1, validation=0.2)
    assert set(np.bincount(data.splits["validation"].labels).tolist()) == {EACH // 5}
    assert set(np.bincount(data.splits["train"].labels).tolist()) == {EACH - EACH // 5}
    assert data.splits["test"].fingerprint() == other.splits["test"].fingerprint()
    assert data.splits["validation"].fingerprint() != other.splits["validation"].fingerprint()


@pytest.mark.parametrize(("size", "folder"), [("320px", "imagenette2-320"), ("full", "imagenette2")])
def test_the_editions_of_imagenette(open_, tmp_path, monkeypatch, size, folder):
    write_imagenette(tmp_path, monkeypatch, folder)
    assert open_("imagenette", size=size).splits["train"].file(0).relative_to(tmp_path).parts[0] == folder
    with pytest.raises(DataError, match="could not be downloaded"):
        open_("imagenette")


@pytest.mark.parametrize("name", NAMES)
def test_offline_it_says_where_the_files_belong(name, open_, tmp_path, compare_with_golden):
    with pytest.raises(DataError) as caught:
        open_(name)
    text = caught.value.render().replace(str(tmp_path), "ROOT")
    compare_with_golden(Path(__file__).parent / "offline" / f"{name}.txt", text + "\n")
    assert caught.value.file == str(tmp_path)
    left = [path.name for path in tmp_path.iterdir()]
    assert left == [f".{name}.lock"]


def test_without_download_nothing_is_tried(open_, tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"the data set 'cifar10' is not in '.*'") as caught:
        open_("cifar10", root=tmp_path / "deep", download=False)
    assert "cifar-10-batches-py" in caught.value.help
    assert list(tmp_path.iterdir()) == []


def test_the_cache_folder_is_where_archspec_keeps_its_files(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "cache"))
    write_idx(tmp_path / "cache" / "datasets", monkeypatch)
    options = default_options("datasets", "mnist", PLUGINS)
    assert options.root is None
    assert options.offer.make(options, 0).root == tmp_path / "cache" / "datasets"


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_said_and_left_alone(name, open_, tmp_path, monkeypatch):
    WRITE[name](tmp_path, monkeypatch)
    broken = {"imagenette": "train", "food101": "meta/train.json", "oxford-iiit-pet": "annotations/trainval.txt"}
    broken |= {"mnist": "raw/train-images-idx3-ubyte", "fashion-mnist": "raw/t10k-labels-idx1-ubyte"}
    broken |= {"cifar10": "data_batch_3", "cifar100": "meta", "flowers102": "setid.mat"}
    (folder,) = tmp_path.iterdir()
    target = folder / broken[name]
    if target.is_dir():
        target.rename(target.with_name("elsewhere"))
    else:
        target.write_bytes(target.read_bytes()[:7])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=f"the files of '{name}' in '.*' cannot be used: ") as caught:
        open_(name)
    assert "\n" not in caught.value.message
    assert sorted(tmp_path.rglob("*")) == before


def test_the_class_of_an_image_must_have_a_name(open_, tmp_path, monkeypatch):
    write_pets(tmp_path, monkeypatch)
    annotations = tmp_path / "oxford-iiit-pet" / "annotations" / "trainval.txt"
    annotations.write_text(annotations.read_text().replace(" 3 1 1", " 7 1 1"))
    with pytest.raises(DataError, match="images or classes are missing"):
        open_("oxford-iiit-pet")


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Stands for the network: torchvision 'downloads' by writing the small files. Counts how often."""
    fetched = []

    def download(url, download_root, **options):
        fetched.append(url)
        write_cifar10(Path(download_root), monkeypatch)

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", download)
    return fetched


def test_it_is_downloaded_once_and_whole(open_, tmp_path, archive, capsys):
    first, again = open_("cifar10"), open_("cifar10")
    assert len(archive) == 1
    assert first.splits["train"].fingerprint() == again.splits["train"].fingerprint()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".cifar10.lock", "cifar-10-batches-py"]
    assert capsys.readouterr().out == ""


def test_two_at_once_download_it_once(open_, tmp_path, archive):
    found = []
    threads = [threading.Thread(target=lambda: found.append(open_("cifar10"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(archive) == 1


def test_a_download_that_is_cut_off_leaves_nothing_that_looks_whole(open_, tmp_path, archive, monkeypatch):
    def cut_off(url, download_root, **options):
        (Path(download_root) / "cifar-10-batches-py").mkdir()
        raise ConnectionResetError(104, "Connection reset by peer")

    with monkeypatch.context() as patch:
        patch.setattr("torchvision.datasets.cifar.download_and_extract_archive", cut_off)
        with pytest.raises(DataError, match=r"could not be downloaded: .*Connection reset by peer"):
            open_("cifar10")
    assert [path.name for path in tmp_path.iterdir()] == [".cifar10.lock"]
    (tmp_path / ".cifar10.partial" / "half").mkdir(parents=True)  # as a killed process leaves it
    assert len(open_("cifar10").classes) == 10


def test_a_root_that_cannot_be_written_is_said(open_, tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(DataError, match="cannot be written"):
        open_("cifar10", root=tmp_path / "file" / "deeper")


def test_flowers_need_scipy(open_, tmp_path, monkeypatch):
    write_flowers102(tmp_path, monkeypatch)
    monkeypatch.setitem(__import__("sys").modules, "scipy.io", None)
    with pytest.raises(DataError, match="'flowers102' needs scipy"):
        open_("flowers102")
