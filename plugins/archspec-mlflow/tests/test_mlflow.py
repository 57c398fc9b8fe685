"""The tracker, against a store of SQLite's that is read without MLflow."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from archspec_mlflow.tracker import flatten
from halting import Halting
from PIL import Image

from archspec import Plugins
from archspec.errors import RunError
from archspec.testing import check_tracker

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
SPEC = """name: two-blocks
input: {channels: 3, size: 16}
stem: {type: conv, filters: 16, kernel: 3, strides: 1}
stages:
  - {block: basic, filters: 16, strides: 2}
  - {block: basic, filters: 32, strides: 2}
head: {type: classifier, classes: 2}
"""


LOGGED = ("epoch", "train/loss", "train/top1", *(f"validation/{name}" for name in ("loss", "top1", "top5", "balanced")))


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    """No message to MLflow's makers, and no store of the machine's."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder(tmp_path):
    """A spec, and photos of two classes."""
    (tmp_path / "spec.yaml").write_text(SPEC)
    for split, count in (("train", 24), ("val", 6)):
        for label, name in enumerate(("dark", "light")):
            (tmp_path / "photos" / split / name).mkdir(parents=True)
            for number in range(count):
                noise = np.random.default_rng([label, number, count]).integers(0, 100, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(noise + np.uint8(150 * label)).save(tmp_path / f"photos/{split}/{name}/{number}.png")
    return tmp_path


class Store:
    """What a store of SQLite's holds."""

    def __init__(self, file):
        self.base = sqlite3.connect(f"file:{file}?mode=ro", uri=True)

    def ask(self, query):
        return self.base.execute(query).fetchall()

    def params(self):
        return dict(self.ask("select key, value from params"))

    def points(self, key, run="a"):
        return self.ask(
            "select step, value from metrics join runs using (run_uuid)"
            f" where key = '{key}' and name = '{run}' order by step"
        )

    def runs(self):
        return self.ask("select name, status from runs")


CODE = "import sys; from archspec.cli import main; sys.exit(main())"
ARGUMENTS = ["--data", "imagefolder:photos", "--batch-size", "8", "--workers", "0", "--lr", "0.02", "--out", "runs/a"]


def archspec(*arguments):
    return subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True)


def tracked(**options):
    return ["--set", f"recipe.trackers=[{json.dumps({'type': 'mlflow', **options})}]"]


def measured(run="runs/a"):
    return [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]


def test_the_tracker_in_its_folder():
    check_tracker("mlflow")


def test_the_tracker_in_a_store_elsewhere(tmp_path):
    check_tracker("mlflow", options={"uri": f"sqlite:///{tmp_path}/runs.db", "experiment": "photos", "every": 2})
    store = Store(tmp_path / "runs.db")
    assert store.runs() == [("first", "FINISHED"), ("run", "FINISHED")]  # the second is told of as killed and resumed
    assert store.ask("select name from experiments where name != 'Default'") == [("photos",)]
    assert [step for step, _ in store.points("validation/loss", run="run")] == [5, 15, 20]
    assert [step for step, _ in store.points("step/loss", run="run")][:5] == [2, 4, 5, 6, 8]


def test_a_run_is_recorded(folder):
    done = archspec("train", "spec.yaml", *ARGUMENTS, "--epochs", "3", *tracked(every=4))
    assert done.returncode == 0, done.stderr
    assert "fails" not in done.stderr
    store, epochs = Store("runs/a/mlflow/mlflow.db"), measured()
    assert store.runs() == [("a", "FINISHED")]
    params = store.params()
    expected = {
        "epochs": "3",
        "batch_size": "8",
        "optimizer.lr": "0.02",
        "data.type": "imagefolder",
        "spec.name": "two-blocks",
    }
    assert {key: params[key] for key in expected} == expected
    assert params["spec.stages.1.filters"] == "32"
    assert store.points("train/loss") == [(row["step"], row["train_loss"]) for row in epochs]
    assert store.points("validation/top1") == [(row["step"], row["top1"]) for row in epochs]
    assert store.points("epoch") == [(6, 1), (12, 2), (18, 3)]
    steps = store.points("step/loss")  # 6 steps an epoch, a point at every fourth and at the last
    assert [step for step, _ in steps] == [4, 6, 8, 12, 16, 18]
    means = [
        np.average([steps[0][1], steps[1][1]], weights=[4, 2]),
        np.average([steps[2][1], steps[3][1]], weights=[2, 4]),
    ]
    assert means == pytest.approx([row["train_loss"] for row in epochs[:2]], rel=1e-5)


def test_a_run_that_is_killed_goes_on_in_the_same_run_of_mlflows(folder):
    command = ["train", "spec.yaml", *ARGUMENTS, "--epochs", "8", *tracked(every=1)]
    event = {"at": 3 * 48 + 20, "paths": "*train/*.png", "after": folder / "runs/a" / "run.json", "die": True}
    with Halting(folder, *command, **event) as process:
        assert process.wait() == -signal.SIGKILL, process.errors
    assert Store("runs/a/mlflow/mlflow.db").runs() == [("a", "RUNNING")]
    done = archspec("train", "--resume", "runs/a")
    assert done.returncode == 0, done.stderr
    assert "fails" not in done.stderr
    store = Store("runs/a/mlflow/mlflow.db")
    assert store.runs() == [("a", "FINISHED")]
    assert [step for step, _ in store.points("step/loss")] == list(range(1, 49))  # what is trained again has one point
    assert store.points("train/loss") == [(row["step"], row["train_loss"]) for row in measured()]


def test_an_epoch_that_was_lost_is_told_when_the_run_goes_on(folder):
    """As a kill leaves it that comes between the run's own files and the tracker's."""
    command = ["train", "spec.yaml", *ARGUMENTS, "--epochs", "3", "--set", "recipe.evaluate_every=2", *tracked()]
    assert archspec(*command).returncode == 0
    before = [Store("runs/a/mlflow/mlflow.db").points(key) for key in LOGGED]
    base = sqlite3.connect("runs/a/mlflow/mlflow.db")
    base.execute("delete from metrics where step in (6, 12) and key not like 'step/%'")
    base.commit()
    base.close()
    done = archspec("train", "--resume", "runs/a", "--other-settings", "--epochs", "4")
    assert done.returncode == 0, done.stderr
    assert "fails" not in done.stderr
    after = [Store("runs/a/mlflow/mlflow.db").points(key) for key in LOGGED]
    assert [[point for point in points if point[0] <= 18] for points in after] == before
    assert [len(points) for points in before] == [3, 3, 3, 2, 2, 2, 2]


def test_other_settings_are_told(folder):
    assert archspec("train", "spec.yaml", *ARGUMENTS, "--epochs", "1", *tracked()).returncode == 0
    done = archspec("train", "--resume", "runs/a", "--other-settings", "--epochs", "2")
    assert done.returncode == 0, done.stderr
    assert "fails" not in done.stderr
    store = Store("runs/a/mlflow/mlflow.db")
    assert store.runs() == [("a", "FINISHED")]
    assert store.params()["epochs"] == "1"
    assert ("changed.epochs", "2 from step 6") in store.ask("select key, value from tags")
    assert [step for step, _ in store.points("train/loss")] == [6, 12]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mlruns", "'mlruns' is a folder, and MLflow has given up stores that are folders"),
        ("file:///tmp/mlruns", "is a folder"),
        ("nonsense://place", "MLflow cannot keep runs in 'nonsense://place': "),
        ("sqlite://runs.db", "the tracker 'mlflow' finds no file in 'sqlite://runs.db'"),
        ("sqlite:///spec.yaml", "'spec.yaml' is no database of SQLite's"),
        ("sqlite:///gone/runs.db", "the tracker 'mlflow' has no folder 'gone' for 'sqlite:///gone/runs.db'"),
    ],
)
def test_a_place_that_mlflow_cannot_use_is_refused_before_the_run(folder, uri, said):
    with pytest.raises(RunError, match=re.escape(said)):
        check_tracker("mlflow", options={"uri": uri})
    done = archspec("train", "spec.yaml", *ARGUMENTS, *tracked(uri=uri))
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (folder / "runs").exists()


def test_a_deleted_experiment_is_named(tmp_path):
    """The error becomes a warning of the run, which goes on without the tracker."""
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/runs.db"
    client = MlflowClient(tracking_uri=uri)
    client.delete_experiment(client.create_experiment("archspec"))
    with pytest.raises(
        AssertionError, match="`begin` fails: RunError: MLflow's experiment 'archspec' is deleted: restore"
    ):
        check_tracker("mlflow", options={"uri": uri})


def test_the_environment_names_a_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/shared.db")
    check_tracker("mlflow")
    assert Store(tmp_path / "shared.db").runs() == [("first", "FINISHED"), ("run", "FINISHED")]


def test_flatten():
    node = {"a": {"b": 1, "c": [1, 2]}, "d": [{"e": True}, "f"], "g": None}
    assert flatten(node) == {"a.b": "1", "a.c": "[1, 2]", "d.0.e": "true", "d.1": "f", "g": "null"}


def test_it_is_found_by_its_entry_point():
    assert Plugins().find("trackers", "mlflow").origin == "archspec-mlflow 0.1.0"
