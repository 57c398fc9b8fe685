"""`archspec data inspect`: its JSON, its text, its page, and how it ends."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from halting import Halting
from PIL import Image
from rich.console import Console
from waiting import wait_for

from archspec.report.inspection import track

ODD = ("<script>alert(1)</script>"[:8], "quo\"te's & <b>", "fox 🦊")


def photo(seed, size=(120, 90)):
    noise = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def fill(root, classes, counts):
    seed = 0
    for split, count in counts.items():
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                seed += 1
                photo(seed).save(root / split / name / f"{number:02d}.png")
    return root


@pytest.fixture
def sound(tmp_path):
    return fill(tmp_path / "sound", ("cat", "dog"), {"train": 12, "val": 3, "test": 3})


@pytest.fixture
def faulty(tmp_path):
    """A leak, a mirrored leak, two labels, a copy, two corrupt files, a blank one, and a class that test lacks."""
    root = fill(tmp_path / "faulty", ("ant", "bee", "cow"), {"train": 12, "val": 3, "test": 3})
    for path in (root / "test/cow").iterdir():
        path.unlink()
    (root / "test/cow").rmdir()
    image = Image.open(root / "train/ant/00.png")
    image.save(root / "test/bee/leak.png")
    Image.open(root / "train/ant/01.png").transpose(0).resize((80, 60)).save(root / "val/ant/mirror.png")
    Image.open(root / "train/bee/02.png").save(root / "train/bee/again.bmp")
    (root / "train/cow/cut.png").write_bytes((root / "train/cow/00.png").read_bytes()[:900])
    (root / "val/cow/empty.jpg").write_bytes(b"")
    Image.new("RGB", (40, 20), "teal").save(root / "train/ant/blank.jpg", "PNG")
    return root


def below(root, text):
    return text.replace(str(root), "ROOT")


def test_json_of_a_sound_folder(cli, sound):
    result = cli("data", "inspect", f"imagefolder:{sound}", "--json", "--workers", 0)
    assert (result.code, result.err) == (0, "")
    found = result.json
    assert (found["ok"], found["findings"], found["duplicates"], found["duplicates_found"]) == (True, [], [], 0)
    assert found["classes"] == ["cat", "dog"]
    assert found["splits"].keys() == {"train", "validation", "test"}
    train = found["splits"]["train"]
    assert (train["images"], train["per_class"], train["corrupt"]) == (24, {"cat": 12, "dog": 12}, [])
    assert train["width"] == {"least": 120, "median": 120, "most": 120}
    assert train["modes"] == {"RGB": 24}
    pixels = np.stack([np.asarray(Image.open(path)) for path in sound.glob("train/*/*.png")]) / 255
    assert found["mean"] == pytest.approx(pixels.mean((0, 1, 2)), abs=5.1e-5)
    assert found["std"] == pytest.approx(pixels.std((0, 1, 2)), abs=5.1e-5)
    assert found["input_size"] == 64


def test_json_of_a_faulty_folder_names_every_fault_and_ends_in_one(cli, faulty):
    result = cli("data", "inspect", f"imagefolder:{faulty}", "--json", "--workers", 0)
    assert result.code == 1
    found = result.json
    assert found["ok"] is False
    corrupt = {split: [below(faulty, path) for path in facts["corrupt"]] for split, facts in found["splits"].items()}
    assert corrupt == {"train": ["ROOT/train/cow/cut.png"], "validation": ["ROOT/val/cow/empty.jpg"], "test": []}
    assert found["splits"]["test"]["per_class"] == {"ant": 3, "bee": 4, "cow": 0}
    shown = [[below(faulty, path) for path in pair["paths"]] for pair in found["duplicates"]]
    assert shown == [
        ["ROOT/train/ant/00.png", "ROOT/test/bee/leak.png"],
        ["ROOT/train/ant/01.png", "ROOT/val/ant/mirror.png"],
        ["ROOT/train/bee/02.png", "ROOT/train/bee/again.bmp"],
    ]
    leak, mirror, _ = found["duplicates"]
    assert (leak["splits"], leak["labels"], leak["kind"]) == (["train", "test"], ["ant", "bee"], "exact")
    assert (mirror["splits"], mirror["kind"], mirror["mirrored"]) == (["train", "validation"], "near", True)
    assert [finding["severity"] for finding in found["findings"]].index("warning") == 5


def test_what_is_suggested_is_what_train_takes(cli, sound, spec_file, tmp_path):
    flags = cli("data", "inspect", f"imagefolder:{sound}", "--json", "--workers", 0).json["set"]
    assert [flag.partition("=")[0] for flag in flags] == ["input.size", "recipe.mean", "recipe.std"]
    settings = [part for flag in flags for part in ("--set", flag)]
    arguments = ["--data", f"imagefolder:{sound}", "--epochs", 1, "--workers", 0, "--out", tmp_path / "run"]
    assert cli("train", spec_file, *arguments, *settings).code == 0


@pytest.mark.parametrize(("folder", "width"), [("sound", 80), ("faulty", 100), ("faulty", 50)])
def test_the_text_is_the_golden_one(cli, request, root, compare_with_golden, folder, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    data = request.getfixturevalue(folder)
    monkeypatch.chdir(data.parent)
    result = cli("data", "inspect", f"imagefolder:{folder}", "--workers", 0)
    said = result.out.partition(f"{data.name}\n")[2]  # after the folder's name, which may be long
    text = "".join(f"{line.rstrip()}\n" for line in said.splitlines())
    assert all(len(line) <= width for line in text.splitlines())
    compare_with_golden(root / f"tests/golden/inspect-{folder}-{width}.txt", text)


def test_a_thousand_classes_are_the_largest_and_the_smallest(cli, tmp_path):
    for number in range(40):
        for split in ("train", "val"):
            folder = tmp_path / split / f"class{number:02d}"
            folder.mkdir(parents=True)
            for image in range(1 + (number == 7)):
                photo(100 * number + image + 9_999 * (split == "val")).save(folder / f"{image}.png")
    out = cli("data", "inspect", f"imagefolder:{tmp_path}", "--workers", 0).out
    assert "... 10 more ..." in out
    assert "class07" in out


def test_the_data_folder_is_data_where_nothing_is_said(cli, in_empty_folder, sound):
    (in_empty_folder / "data").symlink_to(sound)
    assert cli("data", "inspect", "--workers", 0).code == 0


def test_options_of_the_data_and_the_seed_reach_it(cli, make_classes):
    arguments = ["data", "inspect", f"imagefolder:{make_classes}", "--json", "--workers", 0]
    found = cli(*arguments, "--set", "data.validation=0.4", "--set", "data.test=0").json
    assert {split: facts["images"] for split, facts in found["splits"].items()} == {"train": 24, "validation": 16}
    wrong = cli(*arguments, "--set", "head.classes=3")
    assert wrong.code == 2
    assert "head.classes=3" in wrong.err


@pytest.fixture
def make_classes(tmp_path):
    return fill(tmp_path, ("a", "b"), {".": 20})


def test_no_torch_is_imported(sound):
    code = (
        "import sys; from archspec.cli.app import run; "
        f"code = run(['data', 'inspect', 'imagefolder:{sound}', '--workers', '0']); "
        "print(code, sorted({'torch', 'torchvision'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


class Page(HTMLParser):
    """What a browser would see: elements, their attributes, and text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data):
        self.words.append(data.strip())


@pytest.fixture
def odd(tmp_path):
    """Names that are markup, an emoji, and bytes that are no UTF-8."""
    root = fill(tmp_path / "odd", ODD, {"train": 4, "val": 2})
    folder = root / "train" / ODD[0]
    Image.open(folder / "00.png").save(root / "val" / ODD[1] / "le<ak> \"'&.png")
    (folder / "cut<img src=x onerror=y>.png").write_bytes(b"x")
    with contextlib.suppress(OSError):  # macOS has no such names
        raw = os.path.join(os.fsencode(folder), b"caf\xe9.png")  # noqa: PTH118
        with open(raw, "wb") as stream:  # noqa: PTH123
            stream.write((folder / "01.png").read_bytes())
    return root


def gallery(cli, root, *arguments):
    file = root.parent / "gallery.html"
    result = cli("data", "inspect", f"imagefolder:{root}", "--gallery", file, "--workers", 0, *arguments)
    assert file.is_file(), result.err
    assert f"gallery   {file}" in result.err
    return file.read_text(encoding="utf-8")


def test_names_are_text_in_the_gallery_whatever_they_hold(cli, odd):
    text = gallery(cli, odd)
    page = Page(text)
    assert {"script", "b>", "ak"}.isdisjoint(page.tags)
    assert set(ODD) <= set(page.words)
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    titles = {value for tag, name, value in page.attributes if tag == "img" and name == "title"}
    assert f"val/{ODD[1]}/le<ak> \"'&.png" in titles
    assert any("cut<img src=x onerror=y>.png" in word for word in page.words)
    assert (
        any("caf\N{REPLACEMENT CHARACTER}" in str(value) for _, _, value in page.attributes) or sys.platform != "linux"
    )


def test_the_gallery_needs_no_network_and_no_script(cli, faulty):
    text = gallery(cli, faulty)
    page = Page(text)
    assert "script" not in page.tags
    assert "link" not in page.tags
    sources = [value for _, name, value in page.attributes if name in ("src", "href", "srcset", "data")]
    assert sources
    assert all(value.startswith(("data:image/", "#")) for value in sources)
    assert not re.search(r"https?://|url\(|@import", text)
    policy = next(
        value for tag, name, value in page.attributes if tag == "meta" and name == "content" and "src" in value
    )
    assert policy.startswith("default-src 'none'")


def test_the_gallery_shows_classes_splits_copies_and_corrupt_files(cli, faulty):
    page = Page(gallery(cli, faulty, "--per-class", 5))
    images = [value for tag, name, value in page.attributes if tag == "img" and name == "title"]
    assert len(images) == 2 * 3 + 3 * 5 - 2  # three pairs, and the two corrupt files are among the five
    assert page.words.count("validation") >= 3
    assert {"across splits", "two labels", "mirrored", "exact", "no test", "unreadable"} <= set(page.words)
    assert "it is empty" in page.words
    anchors = {value for tag, name, value in page.attributes if name == "href"}
    assert anchors == {"#class-0", "#class-1", "#class-2"}
    assert {f"#{value}" for tag, name, value in page.attributes if name == "id"} == anchors


def test_the_gallery_of_many_classes_is_bounded(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("archspec.report.pictures.MOST_PICTURES", 6)
    root = fill(tmp_path / "many", [f"class{number}" for number in range(8)], {"train": 2, "val": 1})
    page = Page(gallery(cli, root))
    assert page.tags.count("img") == 6


@pytest.mark.parametrize("target", ["nowhere/page.html", "folder"])
def test_a_gallery_that_cannot_be_written_is_told_before_any_work(cli, sound, tmp_path, target):
    (tmp_path / "folder").mkdir()
    result = cli("data", "inspect", f"imagefolder:{sound}", "--gallery", tmp_path / target)
    assert result.code == 1
    assert "error:" in result.err
    assert result.out == ""
    assert list((tmp_path / "folder").iterdir()) == []


def test_long_work_says_how_far_it_is(monkeypatch):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr("archspec.report.inspection.time.monotonic", lambda: next(clock))
    stream = io.StringIO()
    assert list(track(iter("abcd"), 4, "looking", Console(file=stream))) == list("abcd")
    assert stream.getvalue() == "looking: 2 of 4\nlooking: 4 of 4\n"
    terminal = io.StringIO()
    list(track(iter("abcd"), 4, "looking", Console(file=terminal, force_terminal=True, width=80)))
    assert "4/4" in terminal.getvalue()


def processes_of(group):
    """The processes of a process group that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_ends_every_process_without_a_traceback(tmp_path, signal_number):
    """At Ctrl-C, the terminal tells all processes; a kill reaches the first one alone. Two stand at an image."""
    root = fill(tmp_path / "big", ("a", "b"), {"train": 1, "val": 1})
    pixels = np.random.default_rng(0).integers(0, 256, (15, 15, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / "train/a/x.png")
    for number in range(600):
        (root / f"train/b/{number}.png").hardlink_to(root / "train/a/x.png")
    gallery = tmp_path / "page.html"
    arguments = ["data", "inspect", f"imagefolder:{root}", "--workers", 2, "--gallery", gallery]
    with Halting(tmp_path, *arguments, at=3, paths="*/train/*.png", within="workers") as process:
        process.wait_until_it_stands(2)
        assert len(processes_of(process.pid)) >= 3
        if signal_number == signal.SIGINT:
            process.signal_all(signal.SIGINT)
            process.let_go()  # an interrupt waits for the few images that are being looked at
        else:
            process.send_signal(signal.SIGKILL)
        assert process.wait() == (130 if signal_number == signal.SIGINT else -signal.SIGKILL)
        assert "Traceback" not in process.errors
        wait_for(lambda: not processes_of(process.pid))
    assert not gallery.exists()
