"""What issue 2 calls bad input: one clear error that names the file, exit code 1, nothing half-written."""

import shutil
import sys

import pytest
from PIL import Image


def refused(cli, *arguments, names, folder):
    """Run twice, with and without --json; returns the error's text."""
    before = sorted(folder.rglob("*"))
    plain, as_json = cli(*arguments), cli(*arguments, "--json")
    assert plain.code == as_json.code == 1
    assert plain.out == ""
    assert as_json.err == ("" if arguments[0] == "check" else plain.err)  # of several files, each row has its errors
    assert "error: " in plain.err
    assert "Traceback" not in plain.err
    for name in names if isinstance(names, list) else [names]:
        assert str(name) in plain.err
    errors = as_json.json["errors"] if "errors" in as_json.json else as_json.json["files"][0]["errors"]
    assert errors[0]["message"] in plain.err
    assert sorted(folder.rglob("*")) == before
    return plain.err


SPECS = {
    "empty.yaml": b"",
    "broken.yaml": b"name: [x\nstages: }",
    "unknown-key.yaml": b"name: x\ninputs: {size: 8}\n",
    "duplicate.yaml": b"name: x\nname: y\n",
    "type.yaml": b"name: x\nstages: 3\n",
    "binary.yaml": bytes(range(256)),
    "empty-stages.yaml": b"name: x\nstem: {type: conv, filters: 9}\nstages: []\nhead: {type: classifier, classes: 3}\n",
}


@pytest.mark.parametrize("command", ["check", "build", "train"])
@pytest.mark.parametrize("name", SPECS)
def test_a_spec_that_is_wrong(cli, in_empty_folder, command, name):
    (in_empty_folder / name).write_bytes(SPECS[name])
    said = refused(cli, command, name, names=name, folder=in_empty_folder)
    if name not in ("empty.yaml", "binary.yaml"):
        assert f"{name}:" in said  # line and column


@pytest.mark.parametrize("command", ["check", "build", "train"])
@pytest.mark.parametrize("name", ["absent.yaml", "resnet43", "folder"])
def test_a_spec_that_is_not_there(cli, in_empty_folder, command, name):
    (in_empty_folder / "folder").mkdir()
    refused(cli, command, name, names=name, folder=in_empty_folder)


@pytest.mark.parametrize("command", ["check", "build", "train"])
@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("head.clases=3", "classes"),
        ("nothing.here=3", "nothing"),
        ("head.classes", "path=value"),
        ("stages.9.filters=3", "9"),
        ("input.size=2", "stages"),
        ("head.classes=ten", "ten"),
    ],
)
def test_an_override_that_is_wrong(cli, in_empty_folder, command, override, said):
    refused(cli, command, "tiny", "--set", override, names=said, folder=in_empty_folder)


def data_folder(folder, kind, photos):
    root = folder / "images"
    if kind == "missing":
        return root, root
    if kind == "file":
        root.write_bytes(b"x")
        return root, root
    if kind == "empty":
        root.mkdir()
        return root, root
    if kind == "one class":
        shutil.copytree(photos / "train" / "red", root / "red")
        return root, root
    shutil.copytree(photos, root)
    if kind == "class without images":
        (root / "train" / "void").mkdir()
        return root, root / "train" / "void"
    if kind == "class that training lacks":
        shutil.copytree(photos / "val" / "red", root / "val" / "zebra")
        return root, root / "val" / "zebra"
    bad = root / kind.partition(" ")[0] / "red" / "00.png"
    bad.write_bytes(bad.read_bytes()[:300] if "cut short" in kind else b"no image")
    return root, bad


KINDS = ["missing", "file", "empty", "one class", "class without images", "class that training lacks"]
IMAGES = ["train without an image", "val without an image", "train cut short", "val cut short"]


@pytest.mark.parametrize(
    ("kind", "workers"), [(kind, 0) for kind in KINDS + IMAGES] + [(kind, 2) for kind in IMAGES if "cut" in kind]
)
def test_data_that_is_wrong(cli, in_empty_folder, spec_file, photos, kind, workers):
    root, named = data_folder(in_empty_folder, kind, photos)
    arguments = [
        "train",
        spec_file,
        "--data",
        f"imagefolder:{root}",
        "--epochs",
        1,
        "--workers",
        workers,
        "--out",
        "run",
    ]
    refused(cli, *arguments, names=named, folder=in_empty_folder)


@pytest.mark.parametrize("kind", ["missing", "empty", "one class"])
def test_eval_on_data_that_is_wrong(cli, in_empty_folder, trained, photos, kind):
    root, named = data_folder(in_empty_folder, kind, photos)
    refused(cli, "eval", trained, "--data", f"imagefolder:{root}", names=named, folder=in_empty_folder)


def test_one_image_a_class_leaves_none_to_validate_on(cli, in_empty_folder, spec_file, photos):
    for name in ("red", "blue"):
        (in_empty_folder / "images" / name).mkdir(parents=True)
        shutil.copy(photos / "test" / name / "00.png", in_empty_folder / "images" / name)
    arguments = ["train", spec_file, "--data", "imagefolder:images", "--workers", 0, "--out", "run"]
    refused(cli, *arguments, names="images", folder=in_empty_folder)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_a_class_whose_name_is_no_unicode(cli, in_empty_folder, spec_file, photos):
    """A folder from an old Windows disk: `caf\\xe9`. To train or to refuse it is right; a traceback is not."""
    for name in ("caf\udce9", "tea"):  # as Python writes the byte
        shutil.copytree(photos / "train" / "red", in_empty_folder / "images" / name)
    result = cli("train", spec_file, "--data", "imagefolder:images", "--epochs", 1, "--workers", 0, "--out", "run")
    assert result.code == 0 or not (in_empty_folder / "run").exists()


@pytest.mark.parametrize("command", [["eval"], ["predict", "x.jpg"], ["train", "--resume"]])
@pytest.mark.parametrize(
    "kind", ["missing", "no run", "file", "empty run.json", "list run.json", "no spec", "bad recipe"]
)
def test_a_run_directory_that_is_not_one(cli, in_empty_folder, trained, command, kind):
    run = in_empty_folder / "run"
    if kind == "no run":
        run.mkdir()
    elif kind == "file":
        run.write_bytes(b"x")
    elif kind != "missing":
        shutil.copytree(trained, run)
        name, content = {
            "empty run.json": ("run.json", b""),
            "list run.json": ("run.json", b"[]"),
            "no spec": ("spec.yaml", None),
            "bad recipe": ("recipe.yaml", b"epochz: 3\n"),
        }[kind]
        (run / name).unlink() if content is None else (run / name).write_bytes(content)
    arguments = [command[0], run, *command[1:]] if command[0] != "train" else [*command, run]
    refused(cli, *arguments, names=run, folder=in_empty_folder)


@pytest.mark.parametrize("damage", ["flip", "truncate", "missing", "no manifest", "empty manifest", "odd manifest"])
@pytest.mark.parametrize("command", ["eval", "resume"])
def test_a_checkpoint_that_is_damaged(cli, in_empty_folder, trained, photos, command, damage):
    run = in_empty_folder / "run"
    shutil.copytree(trained, run)
    folder = run / "checkpoints" / ("best" if command == "eval" else "last")
    weights, manifest = folder / "model.safetensors", folder / "manifest.json"
    content = weights.read_bytes()
    if damage == "flip":
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "truncate":
        weights.write_bytes(content[:-100])
    elif damage == "missing":
        weights.unlink()
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text("" if damage == "empty manifest" else "{}")
    shutil.rmtree(run / "checkpoints" / "last.before", ignore_errors=True)  # which would be taken in its place
    arguments = ["eval", run, "--workers", 0] if command == "eval" else ["train", "--resume", run, "--workers", 0]
    refused(cli, *arguments, names=folder, folder=in_empty_folder)


def test_a_place_that_holds_something_is_no_place_for_a_run(cli, in_empty_folder, spec_file, photos):
    (in_empty_folder / "run").mkdir()
    (in_empty_folder / "run" / "thesis.tex").write_text("mine")
    arguments = ["train", spec_file, "--data", f"imagefolder:{photos}", "--workers", 0, "--out"]
    assert "exists already" in refused(cli, *arguments, "run", names="run", folder=in_empty_folder)
    refused(cli, *arguments, "run/thesis.tex", names="thesis.tex", folder=in_empty_folder)
    refused(cli, *arguments, "run/thesis.tex/deeper", names="thesis.tex", folder=in_empty_folder)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "gpu"], "gpu"),
        (["--recipe", "quik"], "quick"),
        (["--data", "imagefoldr"], "imagefolder"),
        (["--set", "recipe.epoch=3"], "epochs"),
        (["--set", "data.validatoin=0.3"], "validation"),
        (["--set", "input.channels=2"], "channels"),
        (["--set", "recipe.mean=[0.5]"], "mean"),
    ],
)
def test_a_setting_of_training_that_is_wrong(cli, in_empty_folder, spec_file, photos, arguments, said):
    data = [] if "--data" in arguments else ["--data", f"imagefolder:{photos}"]
    call = ["train", spec_file, *data, *arguments, "--workers", 0, "--out", "run"]
    refused(cli, *call, names=said, folder=in_empty_folder)


def test_a_loss_that_is_not_finite_leaves_no_run(cli, in_empty_folder, spec_file, photos):
    call = ["train", spec_file, "--data", f"imagefolder:{photos}", "--lr", "1e30", "--workers", 0, "--out", "run"]
    plain = cli(*call)
    assert plain.code == 1
    assert "error: the loss is" in plain.err
    assert not (in_empty_folder / "run").exists()


def test_eval_of_classes_that_the_network_does_not_know(cli, in_empty_folder, trained):
    for name in ("red", "zebra"):
        (in_empty_folder / "images" / name).mkdir(parents=True)
        for number in range(8):
            Image.new("RGB", (8, 8)).save(in_empty_folder / "images" / name / f"{number}.png")
    refused(cli, "eval", trained, "--data", "imagefolder:images", names="zebra", folder=in_empty_folder)


def test_eval_of_a_split_that_the_data_lacks(cli, in_empty_folder, trained):
    said = refused(cli, "eval", trained, "--split", "holdout", names="holdout", folder=in_empty_folder)
    assert "train, test, validation" in said or "train, validation, test" in said
