"""The run directory: what a run was, what it measured, and its checkpoints.

run.json                command, versions, seed, device, threads, class names, preprocessing
spec.yaml recipe.yaml data.yaml     resolved: every option spelled out
metrics.jsonl           a line an epoch: what the same run gives again, bit for bit
times.jsonl             a line an epoch: what it took
checkpoints/last  checkpoints/best  model.safetensors, manifest.json; last also training.safetensors
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from archspec.data.preprocessing import Preprocessing
from archspec.errors import DocumentError, RunError
from archspec.plugins import Plugins
from archspec.spec.arch import ArchSpec
from archspec.spec.dump import to_yaml
from archspec.spec.load import load_spec
from archspec.spec.reader import read_document
from archspec.spec.settings import read_settings
from archspec.training.files import read_json, write_json, write_text
from archspec.training.recipe import DataChoice, Recipe

FORMAT = 1
_PACKAGES = ("torch", "torchvision", "numpy", "pillow", "pydantic", "safetensors")


@dataclass(frozen=True)
class Run:
    """A run directory and the settings in it."""

    path: Path
    spec: ArchSpec
    recipe: Recipe
    data: DataChoice
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    threads: int
    """Of the training process. Their number changes the last bits of sums, so a resumed run keeps it."""

    @property
    def last(self) -> Path:
        return self.path / "checkpoints" / "last"

    @property
    def best(self) -> Path:
        return self.path / "checkpoints" / "best"

    def append(self, name: str, record: dict[str, Any]) -> None:
        """Add a line to `metrics.jsonl` or `times.jsonl`."""
        try:
            with (self.path / name).open("a", encoding="utf-8", newline="\n") as stream:
                stream.write(json.dumps(record) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise RunError(f"'{self.path / name}' cannot be written: {error.strerror or error}") from error

    def metrics(self) -> list[dict[str, Any]]:
        """The epochs measured so far. A last line that a kill cut short is left out."""
        path = self.path / "metrics.jsonl"
        records = []
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                records.append(json.loads(line))
            except ValueError:
                break
        return records

    def forget_after(self, epoch: int) -> None:
        """Keep the metrics up to an epoch: what came later is trained again."""
        kept = [record for record in self.metrics() if record["epoch"] <= epoch]
        write_text(self.path / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in kept))

    def discard(self) -> None:
        """Take the directory away, for a run that ended before its first checkpoint."""
        shutil.rmtree(self.path, ignore_errors=True)


def new_run_path(name: str) -> Path:
    """`runs/NAME-TIME`."""
    return Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"


def create_run(run: Run, command: list[str], device: str) -> None:
    """Write a new run directory.

    Raises:
        RunError: something is there already, or the folder cannot be written.

    """
    check_new_run(run.path)
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        write_text(run.path / "spec.yaml", to_yaml(run.spec))
        write_text(run.path / "recipe.yaml", to_yaml(run.recipe))
        write_text(run.path / "data.yaml", to_yaml(run.data))
        write_json(
            run.path / "run.json",
            {
                "format": FORMAT,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "command": command,
                "versions": {"archspec": _version("archspec-nn"), "python": platform.python_version()}
                | {package: _version(package) for package in _PACKAGES},
                "platform": platform.platform(),
                "device": device,
                "threads": run.threads,
                "seed": run.recipe.seed,
                "classes": run.classes,
                "preprocessing": run.preprocessing.model_dump(),
            },
        )
    except OSError as error:
        raise RunError(f"the run directory '{run.path}' cannot be written: {error.strerror or error}") from error


def check_new_run(path: Path) -> None:
    """Refuse a place for a new run that holds something already."""
    if path.is_file():
        raise RunError(f"'{path}' is a file, not a place for a run directory")
    if path.is_dir() and any(path.iterdir()):
        help = f"go on with it by `--resume {path}`, or name another place with `--out`"
        raise RunError(f"the run directory '{path}' exists already", help=help)


def open_run(path: Path, plugins: Plugins) -> Run:
    """The run in a directory.

    Raises:
        RunError: it is no run directory, or is damaged.

    """
    if not (path / "run.json").is_file():
        what = "does not exist" if not path.exists() else "is no run directory: it holds no run.json"
        raise RunError(f"'{path}' {what}", help="`archspec train` makes a run directory and prints its name")
    info = read_json(path / "run.json")
    try:
        if info["format"] != FORMAT:
            raise RunError(f"'{path}' is of format {info['format']}; this archspec reads format {FORMAT}")
        return Run(
            path=path,
            spec=load_spec(path / "spec.yaml", plugins=plugins),
            recipe=read_settings(Recipe, read_document(path / "recipe.yaml"), plugins),
            data=read_settings(DataChoice, read_document(path / "data.yaml"), plugins),
            classes=tuple(info["classes"]),
            preprocessing=Preprocessing.model_validate_json(json.dumps(info["preprocessing"])),
            threads=info["threads"],
        )
    except DocumentError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"the run directory '{path}' is damaged: run.json lacks or spoils {error}") from error


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
