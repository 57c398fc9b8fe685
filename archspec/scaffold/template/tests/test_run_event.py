"""The run event."""

from pathlib import Path

from archspec.testing import Runner, check_run_event
from safetensors.torch import load_file


def test_it_keeps_its_promises() -> None:
    check_run_event("$name")


def test_a_run_takes_it(archspec_run: Runner, tiny_photos: Path) -> None:
    few = ("--data", f"imagefolder:{tiny_photos}", "--epochs", 1, "--workers", 0)
    change = "recipe.events=[{type: $name, limit: 0.5}]"
    result = archspec_run("train", "tiny", *few, "--set", change, "--out", "run")
    assert result.code == 0, result.stderr
    (file,) = Path("run").glob("**/last/model.safetensors")
    norms = [tensor.flatten(1).norm(dim=1).max() for tensor in load_file(file).values() if tensor.ndim > 1]
    assert max(norms) < 0.501
