"""A run is shown with its best epochs, those before a resume too."""

import json

import pytest

from archspec.cli.app import run as archspec_run
from archspec.report import progress


@pytest.fixture
def stopped(spec_file, photos, tmp_path, monkeypatch, capsys):
    """The directory of a run that was interrupted in its third epoch, and the lines of its epochs."""
    step = progress.TrainingProgress.step

    def stop(self, result):
        step(self, result)
        if result.epoch == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(progress.TrainingProgress, "step", stop)
    settings = ["--data", f"imagefolder:{photos}", "--epochs", "4", "--workers", "0", "--out", str(tmp_path / "run")]
    assert archspec_run(["train", str(spec_file), *settings]) == 130
    monkeypatch.undo()
    return tmp_path / "run", [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]


def test_best_epochs_are_marked_and_a_resumed_run_knows_them(stopped, capsys, monkeypatch):
    run, lines = stopped
    shown = []
    begin = progress.TrainingProgress.__init__

    def keep(self, *arguments, **options):
        begin(self, *arguments, **options)
        shown.append(self._view.best)

    monkeypatch.setattr(progress.TrainingProgress, "__init__", keep)
    first, second = (json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines())
    best = max((first, second), key=lambda epoch: (epoch["top1"], -epoch["loss"]))
    assert archspec_run(["train", "--resume", str(run), "--workers", "0"]) == 0
    assert shown == [(best["epoch"], best["top1"])]
    lines += [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]
    found, marked = None, []
    for epoch in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()):
        score = (epoch["top1"], -epoch["loss"])
        marked.append(found is None or score > found)
        found = max(found or score, score)
    assert [line.endswith("  best") for line in lines] == marked
