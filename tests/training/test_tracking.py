"""Trackers in a run: what they are told and when, what their faults do, and TensorBoard's files read back."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from archspec import Plugins
from archspec.cli.app import run as archspec_run
from archspec.errors import ArchspecError
from archspec.spec.load import load_spec
from archspec.spec.settings import default_options
from archspec.training.documents import choose_data, load_recipe
from archspec.training.keeping import fit
from archspec.training.results import EpochResult, StepResult
from archspec.training.session import fit_head, new_session
from archspec.training.tracking import Trackers

SOURCE = """
from archspec import Offer, Options, hookimpl

TOLD = []

class When(Options):
    fails: str = ""
    exits: bool = False
    name: str = "log"

class Log:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.note("make", folder.parent.exists())
    def note(self, what, *facts):
        TOLD.append((self.options.name, what, *facts))
        if self.options.fails == what:
            raise (SystemExit if self.options.exits else ValueError)(f"{what} went wrong")
    def begin(self, info):
        self.note("begin", info, self.folder.parent.is_dir())
        info.clear()
    def step(self, result):
        self.note("step", result)
    def epoch(self, result):
        self.note("epoch", result)
    def close(self):
        self.note("close")

@hookimpl
def archspec_trackers():
    return {"log": Offer(When, Log), "other": Offer(When, Log)}
"""
LOG, OTHER = "{type: log}", "{type: other, name: other}"


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"plugin_log_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    return name


@pytest.fixture
def told(module):
    """What the trackers were told: names, calls and their facts."""
    Plugins([module], installed=False)
    return sys.modules[module].TOLD


@pytest.fixture
def new(module, spec_file, photos, tmp_path):
    """Trackers as a recipe has them -> a session of two epochs, eight steps."""

    def make(trackers):
        plugins = Plugins([module], installed=False)
        settings = [f"recipe.trackers={trackers}", "recipe.epochs=2", "recipe.batch_size=16"]
        recipe = load_recipe("default", settings, plugins)
        choice = choose_data(f"imagefolder:{photos}", (), plugins)
        data = choice.data.offer.make(choice.data, 0)
        place = {"out": tmp_path / "run", "command": [], "device": torch.device("cpu"), "workers": 0}
        return new_session(fit_head(load_spec(spec_file), data), recipe, choice, data, **place)

    return make


def follow(session):
    warnings = []
    with Trackers(session, warnings.append) as trackers:
        for result in fit(session):
            trackers.tell(result)
    return warnings


def test_a_tracker_is_told_of_a_run_from_beginning_to_end(new, told):
    session = new(f"[{LOG}]")
    assert follow(session) == []
    calls = [entry[1] for entry in told]
    assert calls == ["make", "begin", *["step"] * 4, "epoch", *["step"] * 4, "epoch", "close"]
    assert told[0][2] is False, "the run directory is not there when a tracker is made"
    assert told[1][3] is True, "and is there when the run begins"
    steps = [entry[2] for entry in told if entry[1] == "step"]
    assert [step.step for step in steps] == list(range(1, 9))
    assert all(isinstance(step, StepResult) for step in steps)
    assert all(isinstance(entry[2], EpochResult) for entry in told if entry[1] == "epoch")


def test_each_tracker_gets_the_run_in_plain_data(new, told):
    found = []
    session = new(f"[{LOG}, {OTHER}]")
    for entry in told:
        assert entry[1] == "make"
    with Trackers(session, found.append) as trackers:
        information = json.loads(json.dumps(trackers._info))
        for result in fit(session):
            trackers.tell(result)
    assert (information["name"], information["epoch"], information["step"]) == ("run", 0, 0)
    assert information["spec"]["name"] == "two-blocks"
    assert information["recipe"]["trackers"][1]["type"] == "other"
    assert information["run"]["classes"] == ["blue", "green", "red"]
    assert information["data"]["data"]["type"] == "imagefolder"
    assert [entry[0] for entry in told if entry[1] == "begin"] == ["log", "other"]
    assert trackers._info == information, "a tracker has a copy of its own"


@pytest.mark.parametrize("fails", ["begin", "step", "epoch", "close"])
def test_a_tracker_that_raises_is_named_once_and_the_run_goes_on(new, told, module, fails):
    session = new(f"[{{type: log, fails: {fails}}}, {OTHER}]")
    (warning,) = follow(session)
    assert warning.startswith(
        f"the tracker 'log' of {module} fails, and the run goes on without it: ValueError: {fails}"
    )
    assert f"{module}.py:18 raised it" in warning
    assert session.trainer.progress.epoch == 2
    assert [entry[1] for entry in told if entry[0] == "other"].count("step") == 8
    own = [entry[1] for entry in told if entry[0] == "log"]
    assert own.count(fails) == (2 if fails == "close" else 1)
    assert own[-1] == "close"


def test_a_tracker_that_calls_sys_exit_does_not_end_the_run(new, told):
    session = new("[{type: log, fails: step, exits: true}]")
    (warning,) = follow(session)
    assert "goes on without it: it calls sys.exit('step went wrong')" in warning
    assert session.trainer.progress.epoch == 2


def test_a_failing_run_closes_its_trackers_and_says_nothing_of_them(new, told):
    session = new("[{type: log, fails: close}]")
    warnings = []

    def fail():
        with Trackers(session, warnings.append) as trackers:
            trackers.tell(next(fit(session)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert told[-1][1] == "close"
    assert warnings == []


def test_a_tracker_that_cannot_be_made_ends_the_command(new, told, module):
    session = new("[{type: other, name: other}, {type: log, fails: make}]")
    with pytest.raises(ArchspecError, match=f"'log' among trackers of {module} fails: ValueError: make") as caught:
        follow(session)
    assert f"{module}.py:18" in caught.value.message
    assert [entry[:2] for entry in told] == [("other", "make"), ("log", "make"), ("other", "close")]
    assert not session.run.path.exists()


@pytest.mark.parametrize(
    ("trackers", "message"),
    [
        ("[log, log]", "'trackers' names 'log' twice"),
        ("[tensorbord]", "unknown tracker 'tensorbord'"),
        ("tensorboard", "'trackers' must be a list"),
        ("[{type: tensorboard, every: 0}]", r"'trackers\[0\].every' must be at least 1"),
    ],
)
def test_a_recipe_that_is_wrong_says_so(module, trackers, message):
    with pytest.raises(ArchspecError, match=message):
        load_recipe("default", [f"recipe.trackers={trackers}"], Plugins([module], installed=False))


def test_there_is_no_tracker_where_none_is_named(recipe):
    assert recipe().trackers == ()


def test_without_tensorboard_the_cure_is_named(plugins, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    options = default_options("trackers", "tensorboard", plugins)
    with pytest.raises(ArchspecError, match="the tracker 'tensorboard' needs TensorBoard") as caught:
        options.offer.make(options, tmp_path)
    assert caught.value.help == "pip install 'archspec-nn[tensorboard]'"


@pytest.fixture
def scalars():
    """The points of a run's event files, as TensorBoard shows them: tag -> {step: value}, and each step once."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def read(run):
        found = accumulator.EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
        points = {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}
        for tag, values in points.items():
            assert len(dict(values)) == len(values), f"{tag} has a step twice"
        return {tag: dict(values) for tag, values in points.items()}, found.Tags()["tensors"]

    return read


EVERY_THREE = "recipe.trackers=[{type: tensorboard, every: 3}]"


def test_tensorboard_shows_what_the_run_measured(train_new, tmp_path, scalars):
    run = tmp_path / "run"
    arguments = ["--epochs", 2, "--batch-size", 16, "--set", EVERY_THREE]
    assert train_new(*arguments, "--out", run)[0] == 0
    points, texts = scalars(run)
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    names = {
        "train/loss": "train_loss",
        "train/top1": "train_top1",
        "validation/loss": "loss",
        "validation/top1": "top1",
    }
    for tag, name in {**names, "validation/top5": "top5", "validation/balanced": "balanced"}.items():
        assert points[tag] == pytest.approx({epoch["step"]: epoch[name] for epoch in epochs})
    for tag in ("step/loss", "step/top1", "step/lr", "step/images_per_second"):
        assert list(points[tag]) == [3, 4, 6, 8]
    for first, second, epoch in ((3, 4, epochs[0]), (6, 8, epochs[1])):
        size = {3: 48, 4: 15, 6: 32, 8: 31}
        for tag, name in (("step/loss", "train_loss"), ("step/top1", "train_top1")):
            mean = (points[tag][first] * size[first] + points[tag][second] * size[second]) / 63
            assert mean == pytest.approx(epoch[name])
        assert points["step/lr"][second] == pytest.approx(epoch["lr"])
    assert all(value > 0 for value in points["step/images_per_second"].values())
    assert {name.split("/")[0] for name in texts} == {"spec", "recipe", "data"}


def test_after_a_resume_no_step_stands_twice(train, train_new, tmp_path, scalars, monkeypatch):
    """Killed two steps into the third epoch, so that their points are written, and trained again."""
    arguments = ["--epochs", 4, "--batch-size", 16, "--set", "recipe.trackers=[{type: tensorboard, every: 1}]"]
    assert train_new(*arguments, "--out", tmp_path / "whole")[0] == 0
    step = Trackers.tell

    def die(self, result):
        step(self, result)
        if isinstance(result, StepResult) and result.step == 10:
            self._each(lambda tracker: tracker.step(result.__class__(**{**vars(result), "loss": result.loss + 9})))
            raise KeyboardInterrupt

    monkeypatch.setattr(Trackers, "tell", die)
    run = tmp_path / "run"
    assert train_new(*arguments, "--out", run)[0] == 130
    monkeypatch.undo()
    assert train("--resume", run)[0] == 0
    (whole, _), (resumed, _) = scalars(tmp_path / "whole"), scalars(run)
    assert list(resumed["step/loss"]) == list(range(1, 17))
    for tag in whole:
        if "images_per_second" not in tag:
            assert resumed[tag] == whole[tag], tag


@pytest.mark.usefixtures("scalars")
def test_a_run_that_ends_before_its_first_checkpoint_leaves_no_directory(train_new, tmp_path):
    run = tmp_path / "run"
    code, said, _ = train_new("--lr", "1e30", "--epochs", 1, "--set", EVERY_THREE, "--out", run)
    assert code == 1
    assert "the loss is" in said
    assert "warning" not in said
    assert not run.exists()


@pytest.mark.usefixtures("scalars")
def test_a_tracker_changes_no_weight(train_new, tmp_path):
    for name, more in (("without", []), ("with", ["--set", EVERY_THREE])):
        assert train_new("--epochs", 2, *more, "--out", tmp_path / name)[0] == 0
    weights = [tmp_path / name / "checkpoints/last/model.safetensors" for name in ("without", "with")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_trackers_fault_is_a_warning_of_the_command(module, told, spec_file, photos, tmp_path, capsys):
    settings = ["--data", f"imagefolder:{photos}", "--epochs", "1", "--workers", "0", "--out", str(tmp_path / "run")]
    trackers = "recipe.trackers=[{type: log, fails: step}]"
    assert archspec_run(["-p", module, "train", str(spec_file), *settings, "--set", trackers, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err.count(f"warning: the tracker 'log' of {module} fails") == 1
    assert json.loads(captured.out)["epochs"] == 1
    shutil.rmtree(Path(tmp_path / "run"))
