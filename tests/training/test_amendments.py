"""A run that goes on with other settings: as it is told, recorded, whole or not at all, or refused with a cure."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from archspec.training.keeping import fit
from archspec.training.records import Manifest, read_record
from archspec.training.run import open_run

KEPT = (
    "checkpoints/last/model.safetensors",
    "checkpoints/last/training.safetensors",
    "checkpoints/best/model.safetensors",
    "metrics.jsonl",
)
EVEN = ["--batch-size", "12", "--seed", "5", "--set", "recipe.schedule=constant", "--set", "recipe.warmup_epochs=0"]
"""A rate that does not know how long the run is. 63 images: 6 steps an epoch."""


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


def assert_same_run(one, other, kept=KEPT):
    for name in kept:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def content(folder):
    """All files that are not only a lock."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "run.lock"}


def info(run):
    return json.loads((run / "run.json").read_text())


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def begun(spec_file, photos, tmp_path_factory):
    """A run of three epochs that has ended."""
    from archspec.cli.app import run as archspec_run

    out = tmp_path_factory.mktemp("begun") / "run"
    arguments = ["train", str(spec_file), "--data", f"imagefolder:{photos}", *EVEN, "--epochs", "3"]
    assert archspec_run([*arguments, "--workers", "0", "--out", str(out)]) == 0
    return out


@pytest.fixture
def run(begun, tmp_path):
    return Path(shutil.copytree(begun, tmp_path / "run"))


@pytest.fixture
def amend(train, run):
    return lambda *arguments: train("--resume", run, "--other-settings", *arguments)


def test_more_epochs_are_those_of_a_run_that_had_them_from_the_first(amend, run, train_new, tmp_path):
    code, said, document = amend("--epochs", 6)
    assert code == 0, said
    assert "changed   recipe.epochs is 6, and was 3\n" in said
    assert "resumed   after epoch 3 of 6" in said
    assert document["epochs"] == 6
    assert train_new(*EVEN, "--epochs", 6, "--out", tmp_path / "whole")[0] == 0
    assert_same_run(run, tmp_path / "whole")
    assert info(run)["changes"] == [{"epoch": 3, "step": 18, "path": "recipe.epochs", "before": 3, "now": 6}]
    assert info(run)["steps"] == 36
    assert (run / "recipe.yaml").read_bytes() == (tmp_path / "whole" / "recipe.yaml").read_bytes()


def test_without_a_change_the_flag_does_nothing(amend, run, begun):
    before = content(run)
    code, said, _ = amend()
    assert code == 0
    assert "changed" not in said
    assert content(run) == before
    assert info(run)["changes"] == []


def test_without_the_flag_the_refusal_names_it(train, run):
    code, said, _ = train("--resume", run, "--epochs", 6)
    assert code == 1
    assert said == (
        f"error: the run '{run}' has another setting: recipe.epochs is 3 there, and 6 here\n"
        "  help: leave it out to go on with the run, let it change by `--other-settings`, "
        "or start a new run with another `--out`\n"
    )
    assert train("--other-settings")[0] == 2


def test_a_change_counts_from_the_step_at_which_it_was_made_and_stays(amend, train, run):
    assert amend("--epochs", 5, "--lr", 0.001)[0] == 0
    assert [row["lr"] for row in rows(run)] == [0.002] * 3 + [0.001] * 2
    assert amend("--epochs", 6, "--set", "recipe.augmentation.flip=0")[0] == 0
    changes = [(change["path"], change["before"], change["now"], change["epoch"]) for change in info(run)["changes"]]
    assert changes == [
        ("recipe.epochs", 3, 5, 3),
        ("recipe.optimizer.lr", 0.002, 0.001, 3),
        ("recipe.epochs", 5, 6, 5),
        ("recipe.augmentation.flip", 0.5, 0, 5),
    ]
    assert train("--resume", run)[0] == 0
    assert len(rows(run)) == 6


def test_images_that_have_moved(train, train_new, photos, tmp_path, session_of):
    """The same images in another place: the run ends as if they had not."""
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(photos, here)
    data = ["--data", f"imagefolder:{here}"]
    assert train_new(*data, *EVEN, "--epochs", 6, "--out", tmp_path / "whole")[0] == 0
    cut(train_new, tmp_path / "run", *data, *EVEN, "--epochs", 6)
    here.rename(there)
    assert train("--resume", tmp_path / "run")[0] == 1
    again = ["--resume", tmp_path / "run", "--data", f"imagefolder:{there}"]
    code, said, _ = train(*again)
    assert code == 1
    assert f"data.root is {here} there, and {there} here" in said
    assert "--other-settings" in said
    code, said, _ = train(*again, "--other-settings")
    assert code == 0, said
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    assert [change["path"] for change in info(tmp_path / "run")["changes"]] == ["data.root"]
    assert str(there) in (tmp_path / "run" / "data.yaml").read_text()


def cut(train_new, out, *arguments, after=2):
    """Begin a run, and kill it when an epoch's line is written."""
    from archspec.training.run import Run

    with pytest.MonkeyPatch.context() as patch:
        append, done = Run.append, []

        def count(run, name, record):
            append(run, name, record)
            if name == "times.jsonl":
                done.append(name)
                if len(done) > after:
                    raise Killed

        patch.setattr(Run, "append", count)
        with pytest.raises(Killed):
            train_new(*arguments, "--out", out)
    assert len(rows(out)) == after + 1


def test_other_images_are_recorded_and_counted(amend, train, run, photos, tmp_path):
    there = Path(shutil.copytree(photos, tmp_path / "there"))
    for number in range(5):  # 58 are left: five steps an epoch
        (there / "train" / "red" / f"{number:02d}.png").unlink()
    (there / "val" / "red" / "00.png").unlink()
    data = ["--data", f"imagefolder:{there}"]
    code, said, _ = train("--resume", run, *data, "--epochs", 5)
    assert code == 1
    code, said, _ = amend(*data, "--epochs", 5)
    assert code == 0, said
    assert "images.train is 58 images (" in said
    assert "and was 63 images (" in said
    assert "figures of before cannot be compared with those to come: the best epoch is chosen anew" in said
    assert info(run)["splits"]["train"]["images"] == 58
    assert info(run)["steps"] == 25
    assert [row["step"] for row in rows(run)] == [6, 12, 18, 20, 25]
    assert rows(run)[-1]["images"] == 20
    assert read_record(Manifest, run / "checkpoints/best/manifest.json").progress.epoch > 3


def test_images_that_changed_in_their_place_are_refused_with_the_flag_named(train, train_new, photos, tmp_path):
    here, run = Path(shutil.copytree(photos, tmp_path / "here")), tmp_path / "run"
    cut(train_new, run, "--data", f"imagefolder:{here}", *EVEN, "--epochs", 4)
    (here / "train" / "red" / "00.png").unlink()
    code, said, _ = train("--resume", run)
    assert code == 1
    assert "63 images then, 62 now" in said
    assert "  help: go on with other images by `--other-settings`\n" in said
    assert train("--resume", run, "--other-settings")[0] == 0


def test_other_batches_count_as_if_they_had_been_from_the_first(amend, run):
    """From 6 steps an epoch to 3: the epochs stay what they were."""
    code, said, document = amend("--batch-size", 21, "--epochs", 5)
    assert code == 0, said
    assert document["epochs"] == 5
    assert [row["step"] for row in rows(run)] == [6, 12, 18, 12, 15]
    assert info(run)["steps"] == 15
    assert read_record(Manifest, run / "checkpoints/last/manifest.json").progress.step == 15


@pytest.mark.parametrize("change", ["batch_size=8", "accumulate=2", "seed=6", "class_balance=sampler"])
def test_an_epoch_that_had_begun_begins_again_with_other_batches(session_of, train, tmp_path, change):
    run = stopped_within(session_of, tmp_path)
    code, said, _ = train("--resume", run, "--other-settings", "--set", f"recipe.{change}")
    assert code == 0, said
    assert "epoch 2 begins again: its steps have other images now" in said
    assert [row["epoch"] for row in rows(run)] == [1, 2, 3]
    assert rows(run)[-1]["step"] == info(run)["steps"]


def stopped_within(session_of, tmp_path):
    """A run of three epochs that was stopped after two steps of its second."""
    session = session_of("epochs=3", "batch_size=12", "seed=5")
    for result in fit(session, stop=lambda: session.trainer.progress.step == 8):
        assert result
    assert session.trainer.progress.batch == 2
    return tmp_path / "run"


def test_within_an_epoch_a_rate_changes_from_the_next_step_on(session_of, train, tmp_path):
    run = stopped_within(session_of, tmp_path)
    code, said, _ = train("--resume", run, "--other-settings", "--epochs", 4)
    assert code == 0, said
    assert "after epoch 1 of 4, and batch 2 of 6 of the next" in said
    assert [row["step"] for row in rows(run)] == [6, 12, 18, 24]


def test_a_time_budget_that_has_become_epochs_keeps_them(session_of, train, run):
    from archspec.spec.dump import to_yaml

    opened = open_run(run, session_plugins())
    (run / "recipe.yaml").write_text(to_yaml(opened.recipe.model_copy(update={"time": "1h", "epochs": 30})))
    assert train("--resume", run, "--other-settings", "--batch-size", 21)[0] == 0
    assert info(run)["steps"] == 9


def session_plugins():
    from archspec.plugins import default_plugins

    return default_plugins()


def test_an_average_may_end(train, train_new, tmp_path):
    """What is trained never saw it."""
    assert train_new(*EVEN, "--epochs", 3, "--set", "recipe.average=0.9", "--out", tmp_path / "run")[0] == 0
    end = ["--set", "recipe.average=null", "--epochs", 5]
    assert train("--resume", tmp_path / "run", "--other-settings", *end)[0] == 0
    assert train_new(*EVEN, "--epochs", 5, "--out", tmp_path / "plain")[0] == 0
    assert_same_run(tmp_path / "run", tmp_path / "plain", KEPT[:2])


def test_what_evaluation_does_may_change_and_older_weights_keep_their_own(amend, train, run, cli_run):
    """`best` is of before, until an epoch is measured; its manifest knows how."""
    best = read_record(Manifest, run / "checkpoints/best/manifest.json")
    code, said, _ = amend("--set", "recipe.crop=0.7")
    assert code == 0, said
    assert info(run)["preprocessing"]["crop"] == 0.7
    assert best.preprocessing.crop == 0.95
    code, told, _ = cli_run("eval", run, "--split", "validation", "--workers", 0, "--json")
    assert code == 0
    assert json.loads(told)["loss"] == pytest.approx(best.metrics.loss, rel=1e-5)


def test_half_precision_may_begin(amend, run):
    code, said, _ = amend("--epochs", 4, "--set", "recipe.precision=fp16")
    assert code == 0, said
    assert read_record(Manifest, run / "checkpoints/last/manifest.json").scaler


def test_a_spec_may_change_in_what_is_no_tensor(amend, run):
    code, said, _ = amend("--epochs", 4, "--set", "head.dropout=0.2")
    assert code == 0, said
    assert "head.dropout is 0.2, and was" in said
    assert "dropout: 0.2" in (run / "spec.yaml").read_text()


ANEW = "start a new run with another `--out`"


@pytest.mark.parametrize(
    ("arguments", "error", "help"),
    [
        (
            ["--set", "recipe.optimizer=sgd"],
            "the optimizer's state in '{run}' is of adamw, and does not fit sgd",
            ANEW,
        ),
        (
            ["--set", "recipe.average=0.9"],
            "an average over the steps of '{run}' cannot begin now: those that are done are not known",
            f"leave recipe.average out, or {ANEW}",
        ),
        (
            ["--set", "stages.1.filters=24"],
            "another spec does not fit the checkpoint of '{run}': head.linear.weight of 3x24 is in the other alone",
            ANEW,
        ),
        (
            ["--set", "recipe.time=1h"],
            "a time budget is measured where a run begins, and this one has begun",
            "give `--epochs`",
        ),
        (
            ["--set", "recipe.steps=90", "--batch-size", "21"],
            "an epoch has 3 steps now, and had 6: what is left of 90 steps is not plain",
            "say by `--epochs` how long the run is",
        ),
        (
            ["--epochs", "2"],
            "the run '{run}' is at step 18 of epoch 3, past 2 epochs",
            "give it more, or take its last checkpoint as it is",
        ),
        (
            ["--set", "recipe.steps=17"],
            "the run '{run}' is at step 18 of epoch 3, past 17 steps",
            "give it more, or take its last checkpoint as it is",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_a_cure_and_nothing_is_written(amend, run, arguments, error, help):
    before = content(run)
    code, said, _ = amend(*arguments)
    assert code == 1
    assert said == f"error: {error.format(run=run)}\n  help: {help}\n"
    assert content(run) == before


def test_other_classes_are_refused(amend, run, photos, tmp_path):
    there = Path(shutil.copytree(photos, tmp_path / "there"))
    for split in ("train", "val", "test"):
        (there / split / "red").rename(there / split / "rose")
    before = content(run)
    code, said, _ = amend("--data", f"imagefolder:{there}")
    assert code == 1
    assert f"the data's classes are no longer those of the run '{run}'" in said
    assert "help: name data with its classes, or start a new run" in said
    assert content(run) == before


def test_an_option_of_the_optimizer_that_needs_more_state_is_refused(train, train_new, tmp_path):
    run = tmp_path / "run"
    assert train_new(*EVEN, "--epochs", 1, "--set", "recipe.optimizer=rmsprop", "--out", run)[0] == 0
    before = content(run)
    more = ["--set", "recipe.optimizer.centered=true"]
    code, said, _ = train("--resume", run, "--other-settings", "--epochs", 2, *more)
    assert code == 1
    assert "the optimizer's options need state that the checkpoint has not, such as 'head.linear.bias/grad_avg'" in said
    assert content(run) == before


def test_momentum_may_begin_where_there_was_no_state(train, train_new, tmp_path):
    run = tmp_path / "run"
    none = ["--set", "recipe.optimizer={type: sgd, momentum: 0, nesterov: false}"]
    assert train_new(*EVEN, "--epochs", 1, *none, "--out", run)[0] == 0
    more = ["--set", "recipe.optimizer.momentum=0.9"]
    assert train("--resume", run, "--other-settings", "--epochs", 2, *more)[0] == 0
    assert load_file(run / "checkpoints/last/training.safetensors")


def test_a_kill_at_any_rename_leaves_a_run_that_goes_on(begun, train, tmp_path, monkeypatch):
    """Die before each: the run has all of its old settings then, or all of the new, and ends as one not killed."""
    arguments = ["--other-settings", "--epochs", 5, "--batch-size", 21, "--set", "data.validation=0.3"]
    whole = Path(shutil.copytree(begun, tmp_path / "whole"))
    assert train("--resume", whole, *arguments)[0] == 0
    rename, replace, seen = Path.rename, Path.replace, set()
    for moment in range(1, 100):
        run, count = Path(shutil.copytree(begun, tmp_path / f"run{moment}")), 0

        def die(call, run=run, moment=moment):
            def counted(path, target):
                nonlocal count
                count += str(run) in str(path)
                if count == moment:
                    raise Killed
                return call(path, target)

            return counted

        monkeypatch.setattr(Path, "rename", die(rename))
        monkeypatch.setattr(Path, "replace", die(replace))
        try:
            train("--resume", run, *arguments)
        except Killed:
            monkeypatch.undo()
        else:
            break
        opened = open_run(run, session_plugins())
        settings = (opened.recipe.epochs, opened.recipe.batch_size, opened.data.data.validation, opened.info.steps)
        assert settings in ((3, 12, 0.15, 18), (5, 21, 0.3, 15))
        seen.add(settings)
        assert train("--resume", run, *(arguments if settings[0] == 3 else ()))[0] == 0
        assert_same_run(run, whole)
        for name in ("recipe.yaml", "data.yaml", "spec.yaml"):
            assert (run / name).read_bytes() == (whole / name).read_bytes()
        assert info(run)["changes"] == info(whole)["changes"]
        assert not list(run.glob(".new*"))
    monkeypatch.undo()
    assert len(seen) == 2
    assert moment > 12


def test_what_a_kill_left_half_written_does_not_count_and_goes_away(train, run):
    (run / ".new.writing").mkdir()
    (run / ".new.writing" / "recipe.yaml").write_text("epochs: 99\n")
    before = {path: text for path, text in content(run).items() if ".new" not in str(path)}
    assert train("--resume", run)[0] == 0
    assert content(run) == before
    assert not list(run.glob(".new*"))
