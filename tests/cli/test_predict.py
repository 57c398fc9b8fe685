"""`archspec predict`: formats, files, streams, many images, and what is wrong with any."""

import csv
import io
import json
import re
import signal
import sys
from pathlib import Path

import pytest
from halting import Halting

from archspec.training.inference import Classifier, Prediction


@pytest.fixture
def odd(photos, tmp_path, monkeypatch):
    """A folder to be in, with two sound images of odd names and a broken one between them."""
    monkeypatch.chdir(tmp_path)
    for name, source in (('a, "b"\nc.png', "red/00.png"), ("z.png", "blue/01.png")):
        Path(name).write_bytes((photos / "test" / source).read_bytes())
    Path("broken.png").write_bytes(b"no image")
    return ['a, "b"\nc.png', "broken.png", "z.png"]


def probabilities(cli, trained, images):
    return cli("predict", trained, *images, "--json").json["predictions"]


def check_csv(text, expected):
    first, *rows = list(csv.reader(io.StringIO(text, newline="")))
    assert ",".join(first) == "image,class,probability,class_2,probability_2,class_3,probability_3,error"
    for row, prediction in zip(rows, expected, strict=True):
        record = dict(zip(first, row, strict=True))
        assert record["image"] == prediction["image"]
        assert record["error"] == prediction.get("error", "")
        assert record["class"] == prediction.get("class", "")
        for place, top in enumerate(prediction.get("top", []), start=1):
            assert row[2 * place - 1] == top["class"]
            assert float(row[2 * place]) == top["probability"]


def check_jsonl(text, expected):
    assert [json.loads(line) for line in text.splitlines()] == expected


def check_table(text, expected):
    shown = [line.split("\t") for line in text.splitlines()]
    assert [row[0] for row in shown] == [re.sub(r"\n", "\N{REPLACEMENT CHARACTER}", row["image"]) for row in expected]
    assert [row[1] for row in shown] == [row.get("class", row.get("error")) for row in expected]


CHECKS = {"csv": check_csv, "jsonl": check_jsonl, "table": check_table}


@pytest.mark.parametrize("format", CHECKS)
def test_a_format_holds_what_the_json_does(cli, trained, odd, format):
    expected = probabilities(cli, trained, odd)
    result = cli("predict", trained, *odd, "--format", format)
    assert result.code == 1
    CHECKS[format](result.out, expected)
    told = f"unread    {expected[1]['error']}\n" if format != "table" else ""
    assert re.fullmatch(rf"{re.escape(told)}speed     3 images in \d+\.\d s: [\d,.]+ images/s\n", result.err)


@pytest.mark.parametrize(
    ("name", "format", "check"),
    [("out.csv", None, "csv"), ("out.JSONL", None, "jsonl"), ("out.txt", None, "table"), ("out.dat", "csv", "csv")],
)
def test_a_file_takes_the_format_of_its_suffix_or_the_one_named(cli, trained, odd, name, format, check):
    expected = probabilities(cli, trained, odd)
    before = sorted(Path().iterdir())
    result = cli("predict", trained, *odd, "--output", name, *(["--format", format] if format else []))
    assert result.code == 1
    assert result.out == ""
    assert expected[1]["error"] in result.err
    CHECKS[check](Path(name).read_bytes().decode(), expected)
    assert sorted(Path().iterdir()) == sorted([*before, Path(name)])


def test_json_says_where_the_file_is_and_how_many_could_not_be_read(cli, trained, odd):
    result = cli("predict", trained, *odd, "--output", "out.csv", "--json")
    assert result.code == 1
    found = result.json
    assert found.pop("images_per_second") > 0
    assert found == {"run": str(trained), "checkpoint": "best", "output": "out.csv", "images": 3, "unreadable": 1}
    whole = cli("predict", trained, *odd, "--json").json
    assert set(whole) == {"run", "checkpoint", "predictions", "images", "unreadable", "images_per_second"}


@pytest.mark.parametrize("workers", [0, 2])
def test_many_images_keep_their_order_whatever_reads_them(cli, trained, photos, tmp_path, workers):
    """Of 200, a batch and a half in a row are broken."""
    for number in range(200):
        image = photos / "train" / ("red", "green", "blue")[number % 3] / f"{number % 21:02}.png"
        broken = 20 <= number < 68
        (tmp_path / f"{number:03}.png").write_bytes(b"no image" if broken else image.read_bytes())
    result = cli("predict", trained, tmp_path, "--workers", workers, "--json")
    rows = result.json["predictions"]
    assert [Path(row["image"]).name for row in rows] == [f"{number:03}.png" for number in range(200)]
    assert [number for number, row in enumerate(rows) if "error" in row] == list(range(20, 68))
    assert result.json["unreadable"] == 48
    for number in (0, 19, 68, 199):
        alone = probabilities(cli, trained, [tmp_path / f"{number:03}.png"])[0]
        assert rows[number]["class"] == alone["class"]
        assert rows[number]["probability"] == pytest.approx(alone["probability"], rel=1e-4)


def test_processes_read_where_images_are_many(cli, trained, photos, monkeypatch):
    asked = []
    monkeypatch.setattr("archspec.training.inference.default_workers", lambda: asked.append(1) or 1)
    cli("predict", trained, photos / "test")
    assert asked == []
    cli("predict", trained, *[photos / "train", photos / "train", photos / "train"])
    assert asked == [1]


def test_patterns_and_folders_are_expanded_in_turn(cli, trained, photos, monkeypatch):
    monkeypatch.chdir(photos)
    result = cli("predict", trained, "test/**/0[01].png", "val/red", "--json")
    found = [row["image"] for row in result.json["predictions"]]
    assert found[:6] == [f"test/{name}/0{number}.png" for name in ("blue", "green", "red") for number in (0, 1)]
    assert found[6:] == [f"val/red/0{number}.png" for number in range(7)]


def test_rows_come_as_they_are_made(cli, trained, odd, monkeypatch):
    seen = []

    def predict(self, images, workers, best):
        for image in images:
            seen.append(sys.stdout.getvalue())
            yield Prediction(image, (("red", 1.0),))

    monkeypatch.setattr(Classifier, "predict", predict)
    assert cli("predict", trained, *odd, "--format", "jsonl").code == 0
    assert [text.count("\n") for text in seen] == [0, 1, 2]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_file_is_whole_or_what_it_was(cli, trained, odd, monkeypatch, error):
    Path("out.csv").write_text("before")
    before = sorted(Path().iterdir())

    def predict(self, images, workers, best):
        yield Prediction(images[0], (("red", 1.0),) * 3)
        assert Path("out.csv").read_text() == "before"
        raise error

    monkeypatch.setattr(Classifier, "predict", predict)
    result = cli("predict", trained, *odd, "--output", "out.csv")
    assert result.code == (130 if error is KeyboardInterrupt else 1)
    assert Path("out.csv").read_text() == "before"
    assert sorted(Path().iterdir()) == before
    if result.code == 1:
        assert result.err == "error: 'out.csv' cannot be written: No space left on device\n"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_reader_that_has_had_enough_ends_it_quietly(start, trained, photos, workers):
    images = [photos / "train"] * 20
    with start("predict", trained, *images, "--workers", workers, "--format", "jsonl") as process:
        assert json.loads(process.stdout.readline())["class"]
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_ctrl_c_ends_it_quietly_with_130(trained, photos, tmp_path):
    """Both processes stand at an image, and so it cannot have ended."""
    results = tmp_path / "results"
    results.mkdir()
    writing = results / ".out.csv.writing"
    arguments = [*[photos / "train"] * 20, "--workers", 2, "--output", results / "out.csv"]
    event = {"at": 3, "paths": "*/train/*.png", "after": writing, "within": "workers"}
    with Halting(tmp_path, "predict", trained, *arguments, **event) as process:
        process.wait_until_it_stands(2)
        process.signal_all(signal.SIGINT)
        assert process.wait() == 130
        assert process.errors.strip() == "interrupted"
    assert list(results.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["*.gif"],
            "error: the pattern '*.gif' matches nothing\n  help: a pattern is matched as a shell does, and ** by ",
        ),
        (
            ["z.png", "--output", "absent/out.csv"],
            "error: the folder 'absent' does not exist\n  help: make it, or name ",
        ),
        (["z.png", "--output", "folder.csv"], "error: 'folder.csv' is a folder\n  help: name a file, such as pred"),
        (
            ["z.png", "--output", "/dev/null", "--format", "csv"],
            "error: '/dev/null' is no ordinary file\n  help: name ",
        ),
        (["empty"], "error: the folder 'empty' holds no images\n"),
    ],
)
def test_what_is_wrong_is_told_before_any_work(cli, trained, odd, arguments, said):
    Path("folder.csv").mkdir()
    Path("empty").mkdir()
    before = sorted(Path().rglob("*"))
    for extra in ([], ["--json"]) if "--format" not in arguments else ([],):
        result = cli("predict", trained, *arguments, *extra)
        assert result.code == 1
        assert result.err.startswith(said)
        assert not extra or result.json["ok"] is False
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--output", "out.png"], "ends in none of .jsonl, .ndjson, .csv, .txt: add its --format."),
        (["--json", "--format", "csv"], "--json and --format both say what is printed"),
        (["--format", "xml"], "'xml' is not one of 'table', 'jsonl', 'csv'"),
        (["--output", ""], "it is empty"),
    ],
)
def test_wrong_usage_ends_in_two(cli, trained, odd, arguments, said):
    result = cli("predict", trained, "z.png", *arguments)
    assert result.code == 2
    assert said in re.sub(r"\s*│?\n│?\s*", " ", result.err)
    assert result.out == ""
