"""The loss."""

from pathlib import Path

from archspec.testing import Runner, check_loss


def test_it_keeps_its_promises() -> None:
    check_loss("$name")


def test_a_run_takes_it(archspec_run: Runner, tiny_photos: Path) -> None:
    data = f"imagefolder:{tiny_photos}"
    change = "recipe.loss=$name"
    result = archspec_run("train", "tiny", "--data", data, "--set", change, "--epochs", 1, "--workers", 0, "--out", "run")
    assert result.code == 0, result.stderr
    assert "type: $name" in Path("run/recipe.yaml").read_text()
