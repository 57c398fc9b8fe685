"""The tracker."""

from pathlib import Path

from archspec.testing import Runner, check_tracker


def test_it_keeps_its_promises() -> None:
    check_tracker("$name")


def test_a_run_takes_it(archspec_run: Runner, tiny_photos: Path) -> None:
    few = ("--data", f"imagefolder:{tiny_photos}", "--epochs", 1, "--workers", 0)
    change = "recipe.trackers=[$name]"
    result = archspec_run("train", "tiny", *few, "--set", change, "--out", "run")
    assert result.code == 0, result.stderr
    assert "$name" in Path("run/recipe.yaml").read_text()
    lines = Path("run/$name/epochs.csv").read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("1,")
