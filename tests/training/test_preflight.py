"""What is known before the first step, and that a run is the same with and without a look ahead."""

import json

import pytest
import torch

from archspec.errors import RunError
from archspec.training import machine, preflight
from archspec.training.forecast import Forecast, PhaseTime, epoch_seconds, epochs_within, run_seconds
from archspec.training.keeping import fit
from archspec.training.preflight import rehearse


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

    told = Forecast((PhaseTime(0, 0.5, 0.1),), 1, None, 1, 10)
    monkeypatch.setattr(module, "rehearse", lambda *arguments, **options: told)
    session = session_of("time=1m", "batch_size=16")
    assert epoch_seconds(session.trainer, told.phases)[0] == pytest.approx(4.1)
    assert session.trainer.total_steps == session.run.info.steps == 56
    assert session.trainer.epochs == 14
    assert session.trainer.schedule(55) < 0.01


def test_each_phase_and_each_pass_counts(session_of):
    """63 training images and 21 for validation, 4 steps an epoch; the head alone for 2 epochs, then all for 3.

    With the mirror, 2 * 63 + 21 images go through the prefix before the first epoch: the mirror comes of the same pass.
    """
    settings = ("epochs=5", "batch_size=16", "freeze={type: lp-ft, probe: 2}", "features=memory", "mirror=true")
    trainer = session_of(*settings).trainer
    phases = (PhaseTime(0, 0.01, 0.001, prefix_seconds=0.02), PhaseTime(2, 0.5, 0.1))
    probed, tuned = 4 * 0.01 + 21 * 0.001, 4 * 0.5 + 21 * 0.1
    features = (2 * 63 + 21) * 0.02
    assert trainer.features.images_passed() == {0: 2 * 63 + 21}
    assert run_seconds(trainer, phases) == pytest.approx(features + 2 * probed + 3 * tuned)
    assert epochs_within(features + 2 * probed + 7.5 * tuned, trainer, phases) == 9
    assert epochs_within(0.1, trainer, phases) == 1


def test_a_solved_epoch_has_no_steps(session_of):
    settings = ("epochs=3", "batch_size=16", "freeze={type: lp-ft, probe: 1}", "features=memory")
    phases = (PhaseTime(0, 0.01, 0.001, prefix_seconds=0.02), PhaseTime(1, 0.5, 0.1))
    passed, measured = (63 + 21) * 0.02, 21 * 0.001
    for head, steps in (("steps", 4 * 0.01), ("auto", 0)):
        trainer = session_of(*settings, f"head={head}", out=head).trainer
        assert epoch_seconds(trainer, phases) == pytest.approx([passed + steps + measured, 4.1, 4.1])


def test_what_is_free_is_told_as_it_was_compared(session_of, monkeypatch):
    """The rehearsal's own copy takes some of it."""
    free = iter([1_000_000_000, 10])
    monkeypatch.setattr(preflight, "free_memory", lambda device: next(free))
    assert session_of("epochs=1").forecast.memory_free == 1_000_000_000


def test_epochs_of_other_sizes_count_by_their_pixels(session_of):
    """Two of four epochs at half the side: a quarter of the time, which was measured, and then four times that."""
    trainer = session_of("epochs=4", "batch_size=16", "sizes=[{until: 0.5, size: 8}]").trainer
    phases = (PhaseTime(0, 0.5, 0.0),)
    assert trainer.network.plan.input == (3, 16, 16)
    assert epoch_seconds(trainer, phases) == pytest.approx([2, 2, 8, 8])
    assert epochs_within(39, trainer, phases) == 7  # 4 epochs of 2 s and 3 of 8 s are 32 s; 4 and 4 are 40 s


def test_the_passes_foretold_are_the_passes_made(session_of):
    settings = ("epochs=7", "freeze={type: gradual, every: 2}", "features=memory", "views=3", "mirror=true")
    session = session_of(*settings)
    foretold = session.trainer.features.images_passed()
    made = {}
    read = session.trainer.features.keeper.fill

    def fill(reader, draw, parts, settings, flips, runner):
        epoch = session.trainer.progress.epoch
        made[epoch] = made.get(epoch, 0) + len(reader.index) * flips
        yield from read(reader, draw, parts, settings, flips, runner)

    session.trainer.features.keeper.fill = fill
    list(fit(session))
    assert made == foretold


def test_every_phase_is_rehearsed(session_of, monkeypatch):
    """What trains later needs more memory than what trains first, and is tried before the run too."""
    trained = []
    step = preflight.train_step

    def tried(double, batches):
        trained.append(sum(parameter.requires_grad for parameter in double.network.parameters()))
        return step(double, batches)

    monkeypatch.setattr(preflight, "train_step", tried)
    forecast = session_of("epochs=3", "freeze={type: lp-ft, probe: 1}", "features=memory", "mirror=true").forecast
    assert trained[0] == 2
    assert trained[1] == max(trained) > 10
    probe, tuning = forecast.phases
    assert (probe.start, tuning.start) == (0, 1)
    assert probe.prefix_seconds > 0
    assert tuning.prefix_seconds is None


def test_a_dry_run_tells_and_writes_nothing(cli_run, spec_file, photos, tmp_path):
    out = tmp_path / "run"
    arguments = ["train", spec_file, "--data", f"imagefolder:{photos}", "--workers", 0, "--out", out, "--dry-run"]
    code, told, said = cli_run(*arguments, "--epochs", 7, "--batch-size", 16, "--json")
    assert code == 0, said
    document = json.loads(told)
    assert (document["steps"], document["epochs"], document["steps_per_epoch"]) == (28, 7, 4)
    (phase,) = document["phases"]
    assert phase["step_seconds"] > 0
    assert document["run_seconds"] == pytest.approx(7 * (4 * phase["step_seconds"] + 21 * phase["image_seconds"]))
    assert "steps     28: 7 epochs of 4 steps; evaluation of 21 images after each epoch" in said
    assert "weight decay 0.05" in said
    assert "█" in said
    assert not out.exists()


@pytest.mark.parametrize(("seconds", "told"), [(25, True), (75, False)])
def test_a_dry_run_tells_of_bf16_where_it_was_faster(session_of, seconds, told):
    from archspec.report.forecast import describe_forecast

    session = session_of("epochs=1")
    steps = session.trainer.total_steps
    forecast = Forecast((PhaseTime(0, 50, 0),), 1, None, 1, 10, bf16=(PhaseTime(0, seconds, 0),))
    said = [text for _, text in describe_forecast(session, forecast) if "bf16" in text]
    in_all = {2: "0:50"}[steps]
    assert said == [f"{in_all} in all in bf16, while nothing else runs here: --set recipe.precision=bf16"] * told


@pytest.mark.parametrize(("has", "precision", "timed"), [(True, "auto", 1), (False, "auto", 0), (True, "float32", 0)])
def test_bf16_is_timed_where_the_cpu_is_built_for_it(session_of, monkeypatch, tmp_path, has, precision, timed):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has}, raising=False)
    trainer = session_of("epochs=1", f"precision={precision}").trainer
    dtypes = []
    monkeypatch.setattr(preflight, "_time_step", lambda double, batch: dtypes.append(double.dtype) or 1.0)
    forecast = rehearse(trainer, tmp_path / "run", compare=True)
    assert dtypes.count(torch.bfloat16) == timed
    assert (forecast.bf16 is not None) is bool(timed)


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
        "finetune",
        "cifar",
        "imagenet-torchvision",
        "imagenet-a1",
        "imagenet-a2",
        "imagenet-a3",
    } <= set(rows)
    for name, row in rows.items():
        assert row["summary"]
        if name not in ("default", "quick"):
            assert ("Measured" if name in ("small-data", "finetune") else "Published") in row["summary"]
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
