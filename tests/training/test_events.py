"""Run events: when they are called, that they may act, and that a run with them resumes bit for bit."""

import re
import sys

import pytest
import torch
from safetensors.torch import load_file

from archspec import Plugins, load_spec
from archspec.errors import ArchspecError, PluginError
from archspec.training.documents import choose_data, load_recipe
from archspec.training.keeping import fit
from archspec.training.loop import evaluate
from archspec.training.results import EpochResult
from archspec.training.resuming import resume_session
from archspec.training.run import open_run
from archspec.training.session import fit_head, new_session

SOURCE = """
import torch
from archspec import Offer, Options, RunEvents, hookimpl

TOLD = []
STEPS = []


class When(Options):
    fails: str = ""
    name: str = "log"


class Log(RunEvents):
    def __init__(self, options, run):
        self.options, self.run, self.count = options, run, 0

    def note(self, what, *facts):
        TOLD.append((self.options.name, what, *facts))
        print(what)
        if self.options.fails == what:
            raise ValueError(f"{what} went wrong")

    def run_started(self, trainer):
        self.note("run_started", trainer.progress.step, self.run.path.is_dir())
        STEPS.append(self.count)

    def before_evaluation(self, trainer):
        self.note("before_evaluation", trainer.progress.epoch)

    def after_evaluation(self, trainer, evaluation):
        self.note("after_evaluation", evaluation.top1)

    def epoch_finished(self, trainer, result):
        self.count += 1
        self.note("epoch_finished", result.epoch)

    def before_saving(self, trainer):
        self.note("before_saving")

    def after_saving(self, trainer):
        self.note("after_saving")

    def run_finished(self, trainer):
        self.note("run_finished", trainer.progress.step)

    def tensors(self):
        return {"count": torch.tensor(self.count)}

    def restore(self, tensors):
        self.count = int(tensors["count"])


class Misspelt(RunEvents):
    def __init__(self, options, run):
        pass

    def before_evalution(self, trainer):
        pass


class Rate(Options):
    lr: float = 0.05
    weight_decay: float = 0.0


class Averaging(torch.optim.Optimizer, RunEvents):
    '''Trains y, and is measured and saved at x, the mean of all y. It goes from one to the other by what rounds.'''

    def __init__(self, options, groups):
        super().__init__(groups, {"lr": options.lr})
        self.trains = True

    def step(self):
        assert self.trains
        for group in self.param_groups:
            for y in group["params"]:
                if y.grad is None:
                    continue
                state = self.state[y]
                if not state:
                    state["mean"], state["step"] = y.detach().clone(), torch.tensor(0.0)
                state["step"] += 1
                y.data.add_(y.grad, alpha=-group["lr"])
                state["mean"].lerp_(y.data, 1 / state["step"].item())

    def switch(self, trains, weight):
        assert self.trains != trains
        self.trains = trains
        for group in self.param_groups:
            for y in group["params"]:
                if "mean" in self.state[y]:
                    y.data.lerp_(self.state[y]["mean"], weight)
                    self.state[y]["trains"] = torch.tensor(trains)
                    if trains:
                        del self.state[y]["trains"]

    def before_evaluation(self, trainer):
        self.switch(False, 0.9)

    def after_evaluation(self, trainer, evaluation):
        self.switch(True, 1 - 1 / 0.1)

    def before_saving(self, trainer):
        self.switch(False, 0.9)

    def after_saving(self, trainer):
        self.switch(True, 1 - 1 / 0.1)


@hookimpl
def archspec_run_events():
    log = Offer(When, Log)
    return {"log": log, "other": log, "misspelt": Offer(Options, Misspelt), "none": Offer(Options, lambda o, r: 3)}


@hookimpl
def archspec_optimizers():
    return {"averaging": Offer(Rate, Averaging)}
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"plugin_events_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    return name


@pytest.fixture
def plugins(module):
    return Plugins([module], installed=False)


@pytest.fixture
def told(module, plugins):
    """What the events were told: names, calls and their facts."""
    return sys.modules[module].TOLD


@pytest.fixture
def data(photos, plugins):
    choice = choose_data(f"imagefolder:{photos}", (), plugins)
    return choice, choice.data.offer.make(choice.data, 0)


@pytest.fixture
def new(plugins, data, spec_file, tmp_path):
    """Overrides of the recipe -> a session of two epochs of four steps."""

    def make(*overrides, out="run"):
        settings = ["epochs=2", "batch_size=16", "augmentation=light", *overrides]
        recipe = load_recipe("default", [f"recipe.{override}" for override in settings], plugins)
        choice, opened = data
        place = {"out": tmp_path / out, "command": [], "device": torch.device("cpu"), "workers": 0}
        return new_session(fit_head(load_spec(spec_file), opened), recipe, choice, opened, **place)

    return make


@pytest.fixture
def resumed(plugins, data, tmp_path):
    def make(out="run"):
        return resume_session(open_run(tmp_path / out, plugins), data[1], device=torch.device("cpu"), workers=0)

    return make


AVERAGING = "optimizer={type: averaging}"


def run(session):
    return list(fit(session))


def stop_after(session, steps):
    """Train so many steps, the last of which is saved."""
    done = iter(range(1, steps + 1))
    for _ in fit(session, stop=lambda: next(done) == steps):
        pass


def names(told, who="log"):
    return [what for name, what, *_ in told if name == who]


def test_the_example_of_the_page_runs(root, data, spec_file, tmp_path, monkeypatch):
    (source,) = re.findall(
        r"```python\n# archspec_recalibrate.py\n(.*?)```", (root / "docs/training.md").read_text(), re.DOTALL
    )
    (tmp_path / "archspec_recalibrate.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = Plugins(["archspec_recalibrate"], installed=False)
    recipe = load_recipe("default", ["recipe.epochs=1", "recipe.events=[recalibrate]"], plugins)
    place = {"out": tmp_path / "run", "command": [], "device": torch.device("cpu"), "workers": 0}
    session = new_session(fit_head(load_spec(spec_file), data[1]), recipe, *data, **place)
    run(session)
    saved = load_file(tmp_path / "run/checkpoints/last/model.safetensors")
    name = "stem.norm.running_mean"
    assert not torch.equal(saved[name], session.trainer.network.state_dict()[name])


def test_events_are_told_in_order(new, told):
    run(new("events=[log]", "checkpoint_minutes=null"))
    epoch = ["before_evaluation", "after_evaluation", "epoch_finished", "before_saving", "after_saving"]
    assert names(told) == ["run_started", *epoch, *epoch, "run_finished"]
    assert told[0] == ("log", "run_started", 0, True)
    assert told[-1] == ("log", "run_finished", 8)


def test_what_comes_after_is_told_in_the_opposite_order(new, told):
    run(new("events=[log, {type: other, name: other}]", "epochs=1"))
    order = [name for name, what, *_ in told if what == "before_saving"]
    assert order == ["log", "other"]
    assert [name for name, what, *_ in told if what == "after_saving"] == ["other", "log"]


def test_what_an_event_prints_is_no_output_of_the_command(new, told, capsys):
    run(new("events=[log]", "epochs=1"))
    captured = capsys.readouterr()
    assert "run_started" in captured.err
    assert captured.out == ""


def test_an_interrupted_run_did_not_finish(new, told):
    stop_after(new("events=[log]"), 3)
    assert names(told) == ["run_started", "before_saving", "after_saving"]


def test_what_is_measured_and_saved_is_what_the_event_makes_of_the_network(new, tmp_path):
    session = new(AVERAGING)
    trainer = session.trainer
    results = [result for result in fit(session) if isinstance(result, EpochResult)]
    saved = load_file(tmp_path / "run/checkpoints/last/model.safetensors")
    state = load_file(tmp_path / "run/checkpoints/last/training.safetensors")
    own = trainer.network.state_dict()
    name = "stages.0.0.conv1.weight"
    assert torch.equal(state[f"network/{name}"], own[name].contiguous())
    mean = trainer.optimizer.state[trainer.network.get_parameter(name)]["mean"]
    assert torch.allclose(saved[name], own[name].lerp(mean, 0.9))
    assert not torch.equal(saved[name], own[name])
    trainer.network.load_state_dict(saved)
    route = trainer.route
    again = evaluate(trainer.network, route.validation_loader, route.enter, trainer.dtype)
    assert again == results[-1].validation
    best = load_file(tmp_path / "run/checkpoints/best/model.safetensors")
    if session.best.epoch == 2:
        assert torch.equal(best[name], saved[name])
    assert not any(key.startswith("network/") for key in best)


@pytest.mark.parametrize("moment", [1, 3, 4, 5, 6])
def test_a_run_whose_optimizer_switches_resumes_bit_for_bit(new, resumed, tmp_path, moment):
    run(new(AVERAGING, out="whole"))
    stop_after(new(AVERAGING), moment)
    run(resumed())
    for name in ("last/model.safetensors", "last/training.safetensors", "best/model.safetensors"):
        one, other = (tmp_path / out / "checkpoints" / name for out in ("whole", "run"))
        assert one.read_bytes() == other.read_bytes(), name
    assert (tmp_path / "whole/metrics.jsonl").read_bytes() == (tmp_path / "run/metrics.jsonl").read_bytes()


def test_when_checkpoints_are_written_changes_no_bit(new, tmp_path):
    run(new(AVERAGING, out="seldom"))
    run(new(AVERAGING, "checkpoint_steps=1", out="often"))
    one, other = (tmp_path / out / "checkpoints/last/training.safetensors" for out in ("seldom", "often"))
    assert one.read_bytes() == other.read_bytes()


def test_evaluation_leaves_training_as_it_is(new, tmp_path):
    run(new(AVERAGING, "best_by=loss", out="each"))
    run(new(AVERAGING, "evaluate_every=2", "best_by=loss", out="last"))
    one, other = (load_file(tmp_path / out / "checkpoints/last/training.safetensors") for out in ("each", "last"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_an_event_remembers_by_the_checkpoint(new, resumed, module, told):
    stop_after(new("events=[log]"), 5)
    run(resumed())
    assert sys.modules[module].STEPS == [0, 1]


def test_the_optimizers_state_is_saved_as_training_has_it(new, tmp_path):
    run(new(AVERAGING))
    state = load_file(tmp_path / "run/checkpoints/last/training.safetensors")
    assert {name.rpartition("/")[2] for name in state if name.startswith("optimizer/")} == {"mean", "step"}


def test_a_run_without_events_has_the_checkpoint_that_it_had(new, tmp_path):
    run(new())
    state = load_file(tmp_path / "run/checkpoints/last/training.safetensors")
    assert all(name.startswith("optimizer/") for name in state)


@pytest.mark.parametrize("when", ["run_started", "before_evaluation", "before_saving", "epoch_finished"])
def test_an_event_that_fails_ends_the_run(new, told, module, when, tmp_path):
    session = new("events=[{type: log, fails: " + when + "}]")
    message = f"'log' among run_events of {module} fails in {when}: ValueError: {when} went wrong .*{module}.py:"
    with pytest.raises(PluginError, match=message) as caught:
        run(session)
    assert "the last checkpoint is as it was" in caught.value.help
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ("[misspelt]", "has a method 'before_evalution', which is no event"),
        ("[none]", "'none' among run_events of .* must make archspec.RunEvents, not 3"),
        ("[log, log]", "'events' names 'log' twice"),
        ("[lgo]", "unknown run event 'lgo'"),
    ],
)
def test_events_that_are_none_are_refused_before_training(new, events, message):
    with pytest.raises(ArchspecError, match=message):
        new(f"events={events}")
