"""A run that begins with weights from a file, and a head that is solved."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from archspec.errors import RunError
from archspec.finetuning.solve import solve_head
from archspec.training.amendments import amend_run
from archspec.training.keeping import fit
from archspec.weights.files import frozen_file


@pytest.fixture
def source(session_of, tmp_path):
    """A file of the tiny network's tensors, drawn anew, with a head of ten classes."""
    state = session_of("seed=77", out="source").trainer.network.state_dict()
    generator = torch.Generator().manual_seed(5)
    state = {
        name: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        for name, value in state.items()
    }
    state["head.linear.weight"], state["head.linear.bias"] = torch.ones(10, 32), torch.ones(10)
    save_file(state, tmp_path / "source.safetensors")
    return tmp_path / "source.safetensors"


def test_the_run_begins_with_the_files_tensors_and_a_head_of_its_own(train_new, source, tmp_path):
    out = tmp_path / "run"
    code, said, _ = train_new("--epochs", 1, "--weights", source, "--freeze", "head-only", "--out", out)
    assert code == 0, said
    assert "100.0% of what it should fill" in said
    assert "reset: head.linear.weight, head.linear.bias" in said
    assert "drawn at random" not in said
    (kept,) = out.glob("frozen-*.safetensors")
    tensors, frozen = load_file(source), load_file(kept)
    assert set(tensors) - set(frozen) == {"head.linear.weight", "head.linear.bias"}
    assert all(torch.equal(value, tensors[name]) for name, value in frozen.items())
    assert len(json.loads((out / "run.json").read_text())["weights"]) == 64


def test_a_file_of_another_network_is_refused_and_leaves_no_run(train_new, source, tmp_path):
    tensors = {name: value for name, value in load_file(source).items() if not name.startswith("stages.1")}
    save_file(tensors, source)
    code, said, _ = train_new("--epochs", 1, "--weights", source, "--out", tmp_path / "run")
    assert code == 1
    assert "stages.1.0" in said
    assert not (tmp_path / "run").exists()


def test_a_missing_file_is_told(train_new, tmp_path):
    code, said, _ = train_new("--epochs", 1, "--weights", tmp_path / "none.pth", "--out", tmp_path / "run")
    assert code == 1
    assert "none.pth" in said
    assert "Traceback" not in said


def test_how_tensors_are_taken_can_be_set_beside_the_file(train_new, source, tmp_path):
    code, said, _ = train_new(
        "--epochs", 1, "--weights", source, "--set", "recipe.weights.head=reset", "--out", tmp_path / "run"
    )
    assert code == 0, said
    assert "head: reset" in (tmp_path / "run" / "recipe.yaml").read_text()


def test_a_file_of_other_names_trains_by_order(train_new, session_of, source, tmp_path):
    """The same tensors under names of their own: the run is the one that the house's names give."""
    modules, renamed, tensors = {}, {}, load_file(source)
    for name in session_of("epochs=1", out="order").trainer.network.state_dict():
        module, _, leaf = name.rpartition(".")
        renamed[f"{modules.setdefault(module, f'part{len(modules)}')}.{leaf}"] = tensors[name]
    torch.save(renamed, tmp_path / "other.pth")
    for file, match in ((source, "names"), (tmp_path / "other.pth", "order")):
        arguments = ("--epochs", 1, "--weights", file, "--set", f"recipe.weights.match={match}")
        code, said, _ = train_new(*arguments, "--set", "recipe.weights.head=reset", "--out", tmp_path / match)
        assert code == 0, said
    one, other = (tmp_path / match / "checkpoints/last/model.safetensors" for match in ("names", "order"))
    assert one.read_bytes() == other.read_bytes()


def test_a_policy_that_nobody_offers_is_told_at_its_place(train_new, tmp_path):
    code, said, _ = train_new("--epochs", 1, "--freeze", "head-onyl", "--out", tmp_path / "run")
    assert code == 1
    assert "--freeze:1:1" in said
    assert "did you mean 'head-only'?" in said


def test_a_run_on_weights_resumes_without_the_file(train_new, train, source, tmp_path):
    for name in ("whole", "cut"):
        arguments = ("--epochs", 2 if name == "whole" else 1, "--weights", source, "--freeze", "head-only")
        assert train_new(*arguments, "--set", "recipe.schedule=constant", "--out", tmp_path / name)[0] == 0
    source.unlink()
    code, said, _ = train("--resume", tmp_path / "cut", "--epochs", 2, "--other-settings")
    assert code == 0, said
    one, other = (tmp_path / name / "checkpoints/last/model.safetensors" for name in ("whole", "cut"))
    assert one.read_bytes() == other.read_bytes()


def test_the_solved_head_is_the_optimum_that_sklearn_finds():
    """sklearn's C is 1 / (N penalty); its bias has no penalty either."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 8)).astype(np.float32)
    labels = (features @ random.normal(size=(8, 3)) + random.normal(size=(300, 3))).argmax(1)
    linear = nn.Linear(8, 3)
    train = torch.from_numpy(features[:200]), torch.from_numpy(labels[:200])
    validation = torch.from_numpy(features[200:]), torch.from_numpy(labels[200:])
    result = solve_head(linear, train, validation, nn.functional.cross_entropy)
    model = linear_model.LogisticRegression(C=1 / (200 * result.penalty), tol=1e-8, max_iter=10_000)
    model.fit(features[:200], labels[:200])
    assert np.allclose(linear.weight.detach().numpy(), model.coef_, atol=2e-3)
    losses = {}
    for penalty in (0.1, 0.01, 0.001, 1e-6):
        other = linear_model.LogisticRegression(C=1 / (200 * penalty), tol=1e-8, max_iter=10_000)
        shares = other.fit(features[:200], labels[:200]).predict_proba(features[200:])
        losses[penalty] = -np.log(shares[np.arange(100), labels[200:]]).mean()
    assert result.loss <= min(losses.values()) + 1e-4


def test_a_solved_head_is_the_first_epoch(session_of):
    settings = ("epochs=2", "batch_size=16", "freeze={type: lp-ft, probe: 1}", "features=memory", "head=lbfgs")
    session = session_of(*settings)
    list(fit(session))
    first, second = session.run.metrics()
    assert first.step == session.trainer.steps_per_epoch
    assert second.step == 2 * first.step
    assert first.train_top1 > 0.8, "three classes of tinted noise are told apart by a line"


def test_later_epochs_of_the_head_go_on_from_its_solution(session_of):
    freeze = "freeze={type: lp-ft, probe: 2}"
    session = session_of("epochs=3", freeze, "features=memory", "head=lbfgs", "optimizer.lr=1e-9")
    list(fit(session))
    first, second, third = session.run.metrics()
    assert first.train_top1 > 0.8
    assert (second.step, third.step) == (2 * first.step, 3 * first.step)
    assert second.loss == pytest.approx(first.loss, abs=1e-5)


@pytest.mark.parametrize(("head", "epochs"), [("auto", 1), ("lbfgs", 1), ("steps", 3)])
def test_a_run_of_nothing_but_a_solved_head_is_one_epoch(session_of, head, epochs):
    session = session_of("epochs=3", "freeze=head-only", "features=memory", f"head={head}")
    assert any("1 epoch, in place of 3" in note for note in session.notes) is (epochs == 1)
    list(fit(session))
    assert len(session.run.metrics()) == session.trainer.epochs == epochs
    assert session.ended


def test_a_solved_run_goes_on_by_steps_where_it_is_told_to(train_new, train, source, tmp_path):
    settings = ("--set", "recipe.features=memory", "--set", "recipe.head=auto", "--freeze", "head-only")
    assert train_new("--epochs", 3, "--weights", source, *settings, "--out", tmp_path / "run")[0] == 0
    code, said, found = train("--resume", tmp_path / "run", "--epochs", 2, "--other-settings")
    assert code == 0, said
    assert found["epochs"] == 2


def test_auto_takes_steps_where_more_than_the_head_trains_or_nothing_is_kept(session_of):
    until = session_of("epochs=2", "freeze={type: until, stage: stages.1}", "features=memory", "head=auto").trainer
    mixed = session_of("epochs=2", "freeze=head-only", "mixup=0.2", "features=auto", "head=auto", out="mixed").trainer
    assert not until.solves_head
    assert not mixed.solves_head


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("features=memory", "head=lbfgs"), "more than that trains in epoch 1"),
        (("head=lbfgs", "freeze={type: lp-ft, probe: 1}"), "solves on kept features"),
    ],
)
def test_a_head_that_cannot_be_solved_is_told_with_the_cure(session_of, settings, message):
    with pytest.raises(RunError, match=message) as caught:
        session_of("epochs=3", *settings)
    assert caught.value.help


def test_the_file_of_frozen_tensors_is_named_by_its_content(session_of):
    session = session_of("epochs=1", "freeze=head-only")
    list(fit(session))
    assert frozen_file(session.run.path, session.frozen.sha256).is_file()


def test_more_epochs_leave_the_files_preprocessing(session_of, recipe):
    """Such as a crop that a weights file states, and the recipe does not."""
    session = session_of("epochs=1", "freeze=head-only")
    list(fit(session))
    own = session.run.info.preprocessing.model_copy(update={"crop": 0.5, "mean": (0.1, 0.2, 0.3)})
    run = dataclasses.replace(session.run, info=session.run.info.model_copy(update={"preprocessing": own}))
    longer = amend_run(run, run.spec, recipe("epochs=2", "freeze=head-only"), run.data, session.data)
    assert longer.info.preprocessing == own
    other = amend_run(run, run.spec, recipe("epochs=2", "freeze=head-only", "crop=0.75"), run.data, session.data)
    assert (other.info.preprocessing.crop, other.info.preprocessing.mean) == (0.75, own.mean)


@pytest.mark.parametrize(
    ("settings", "place"), [(("features=none",), "none"), (("features=disk",), "disk"), (("seed=1",), "memory")]
)
def test_other_settings_decide_anew_whether_features_are_kept(session_of, recipe, settings, place):
    usual = ("epochs=3", "freeze=head-only", "features=memory")
    session = session_of(*usual)
    steps = itertools.count(1)
    list(fit(session, stop=lambda: next(steps) > 3))
    run = session.run
    assert amend_run(run, run.spec, recipe(*usual, *settings), run.data, session.data).info.features == place


def test_a_run_cannot_go_on_with_other_weights(train_new, train, source, tmp_path):
    assert train_new("--epochs", 1, "--out", tmp_path / "run")[0] == 0
    code, said, _ = train("--resume", tmp_path / "run", "--weights", source, "--other-settings")
    assert code == 1
    assert "began with other weights" in said


def test_a_weights_file_is_found_from_another_folder(train_new, source, tmp_path, monkeypatch):
    monkeypatch.chdir(source.parent)
    assert train_new("--epochs", 1, "--weights", source.name, "--out", tmp_path / "run")[0] == 0
    assert str(source) in (tmp_path / "run" / "recipe.yaml").read_text()
