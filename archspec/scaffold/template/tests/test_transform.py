"""The transform."""

from pathlib import Path

from archspec.testing import Runner, check_transform


def test_it_keeps_its_promises() -> None:
    check_transform("$name")


def test_a_run_takes_it(archspec_run: Runner, tiny_photos: Path) -> None:
    few = ("--data", f"imagefolder:{tiny_photos}", "--epochs", 1, "--workers", 0)
    change = "recipe.augmentation=[{type: random-crop}, {type: $name}]"
    result = archspec_run("train", "tiny", *few, "--set", change, "--out", "run")
    assert result.code == 0, result.stderr
    assert "type: $name" in Path("run/recipe.yaml").read_text()
