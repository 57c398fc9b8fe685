"""What is known before the first step, and that a run is the same with and without a look ahead."""

import json

import pytest
import torch

from archspec.errors import RunError
from archspec.training import machine, preflight
from archspec.training.keeping import fit
from archspec.training.preflight import epoch_seconds, rehearse


def test_a_rehearsal_leaves_the_trainer_as_it_was(session_of, tmp_path):
    trainer = session_of("epochs=2", "mixup=0.2", "average=0.9").trainer
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    progress = trainer.progress
    rehearse(trainer, tmp_path / "run", steps=3)
    assert all(torch.equal(value, before[name]) for name, value in trainer.network.state_dict().items())
    assert trainer.progress is progress
    assert not trainer.optimizer.state
    assert trainer.average.n_averaged == 0
    assert list(tmp_path.iterdir()) == []


def test_memory_and_disk_are_those_of_the_plan_and_the_checkpoints(session_of):
    session = session_of("epochs=1", "batch_size=16")
    forecast = session.forecast
    plan = session.trainer.network.plan
    assert forecast.memory == 16 * plan.parameters + 16 * plan.activation_memory
    list(fit(session))
    sizes = {path.name: path.stat().st_size for path in (session.run.last).iterdir()}
    kept = 4 * sizes["model.safetensors"] + 3 * sizes["training.safetensors"]
    assert forecast.disk == pytest.approx(kept, rel=0.1)
    assert forecast.disk_free > 0


def test_the_memory_that_is_free_is_the_systems_figure():
    psutil = pytest.importorskip("psutil")
    found = machine.free_memory(torch.device("cpu"))
    assert found is not None
    assert found == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    most, used = tmp_path / "memory.max", tmp_path / "memory.current"
    most.write_text("1000000\n")
    used.write_text("400000\n")
    monkeypatch.setattr(machine, "_LIMITS", ((most, used),))
    assert machine.free_memory(torch.device("cpu")) == 600_000
    most.write_text("max\n")
    assert machine.free_memory(torch.device("cpu")) != 600_000


def test_a_batch_that_fits_no_memory_is_refused_with_a_cure(session_of, monkeypatch, tmp_path):
    monkeypatch.setattr(preflight, "free_memory", lambda device: 1_000_000)
    with pytest.raises(RunError, match=r"a batch of 32 needs \d+\.\d GB of memory, and 0\.0 GB are free") as caught:
        session_of("epochs=1")
    assert caught.value.help == "such as --batch-size 16 --set recipe.accumulate=2, or a smaller input"
    assert not (tmp_path / "run").exists()


def test_a_disk_without_room_for_checkpoints_is_refused(session_of, monkeypatch, tmp_path):
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1_000})())
    with pytest.raises(RunError, match=r"checkpoints need .* MB are free"):
        session_of("epochs=1")
    assert not (tmp_path / "run").exists()


def test_a_time_budget_becomes_whole_epochs_and_is_kept(session_of, monkeypatch):
    """0.5 s a step, 4 steps and 21 images at 0.1 s: 4.1 s an epoch, of which 14 fit into a minute."""
    from archspec.training import session as module

    told = preflight.Forecast(0.5, 0.1, 1, None, 1, 10)
    monkeypatch.setattr(module, "rehearse", lambda *arguments, **options: told)
    session = session_of("time=1m", "batch_size=16")
    assert epoch_seconds(session.trainer, told) == pytest.approx(4.1)
    assert session.trainer.total_steps == session.run.info.steps == 56
    assert session.trainer.epochs == 14
    assert session.trainer.schedule(55) < 0.01


def test_a_dry_run_tells_and_writes_nothing(cli_run, spec_file, photos, tmp_path):
    out = tmp_path / "run"
    arguments = ["train", spec_file, "--data", f"imagefolder:{photos}", "--workers", 0, "--out", out, "--dry-run"]
    code, told, said = cli_run(*arguments, "--epochs", 7, "--batch-size", 16, "--json")
    assert code == 0, said
    document = json.loads(told)
    assert (document["steps"], document["epochs"], document["steps_per_epoch"]) == (28, 7, 4)
    assert document["step_seconds"] > 0
    assert "steps     28: 7 epochs of 4 steps; evaluation of 21 images after each epoch" in said
    assert "weight decay 0.05" in said
    assert "█" in said
    assert not out.exists()


@pytest.mark.parametrize(("seconds", "told"), [(0.25, True), (0.75, False)])
def test_a_dry_run_tells_of_bf16_where_it_was_faster(session_of, seconds, told):
    from archspec.report.forecast import describe_forecast

    session = session_of("epochs=1")
    forecast = preflight.Forecast(0.5, 0.1, 1, None, 1, 10, seconds)
    said = [text for _, text in describe_forecast(session, forecast) if "bf16" in text]
    assert said == (["0.25 s a step in bf16, while nothing else runs here: --set recipe.precision=bf16"] * told)


@pytest.mark.parametrize(("has", "precision", "timed"), [(True, "auto", 1), (False, "auto", 0), (True, "float32", 0)])
def test_bf16_is_timed_where_the_cpu_is_built_for_it(session_of, monkeypatch, tmp_path, has, precision, timed):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has}, raising=False)
    trainer = session_of("epochs=1", f"precision={precision}").trainer
    dtypes = []
    monkeypatch.setattr(preflight, "_time_step", lambda double, batch: dtypes.append(double.dtype) or 1.0)
    forecast = rehearse(trainer, tmp_path / "run", compare=True)
    assert dtypes.count(torch.bfloat16) == timed
    assert (forecast.bf16_step_seconds == 1.0) is bool(timed)


def test_flags_that_would_do_nothing_are_refused(cli_run, spec_file, tmp_path):
    assert cli_run("train", "--resume", tmp_path / "run", "--dry-run")[0] == 2
    assert cli_run("train", spec_file, "--other-versions")[0] == 2


def test_the_recipes_are_listed_with_their_sources(cli_run, plugins):
    from archspec.training.documents import load_recipe, recipe_names

    code, told, _ = cli_run("recipes", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(told)}
    assert list(rows) == recipe_names()
    assert {
        "default",
        "quick",
        "small-data",
        "cifar",
        "imagenet-torchvision",
        "imagenet-a1",
        "imagenet-a2",
        "imagenet-a3",
    } <= set(rows)
    for name, row in rows.items():
        assert row["summary"]
        if name not in ("default", "quick"):
            assert ("Measured" if name == "small-data" else "Published") in row["summary"]
        assert row["recipe"]["epochs"] == load_recipe(name, (), plugins).epochs


def test_the_papers_schedule_is_that_of_the_recipe(plugins):
    """He et al. 2015, section 4.2: the rate of 0.1 is divided by 10 at 32k and 48k of 64k steps."""
    from archspec.training.documents import load_recipe
    from archspec.training.optimization import learning_rate

    recipe = load_recipe("cifar", (), plugins)
    rate = learning_rate(recipe, 391, recipe.steps)
    assert [round(rate(step), 6) for step in (0, 31_999, 32_000, 47_999, 48_000, 63_999)] == [
        1,
        1,
        0.1,
        0.1,
        0.01,
        0.01,
    ]


@pytest.mark.parametrize("length", ["steps=64", "time=1h"])
def test_epochs_of_the_command_line_take_the_place_of_the_recipes_length(cli_run, spec_file, photos, length):
    arguments = ["--data", f"imagefolder:{photos}", "--workers", 0, "--batch-size", 32, "--set", f"recipe.{length}"]
    code, told, said = cli_run("train", spec_file, *arguments, "--epochs", 3, "--dry-run", "--json")
    assert code == 0, said
    assert json.loads(told)["steps"] == 6
