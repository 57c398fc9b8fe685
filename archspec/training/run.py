"""The run directory: what a run was, what it measured, and its checkpoints.

run.json                            command, versions, seed, device, threads, class names, preprocessing
spec.yaml recipe.yaml data.yaml     resolved: every option spelled out
metrics.jsonl                       a line an epoch: what the same run gives again, bit for bit
times.jsonl                         a line an epoch: what it took
skipped.jsonl                       a line an image that could not be read, where the recipe skips those
checkpoints/last  checkpoints/best  model.safetensors, manifest.json; last also training.safetensors
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from archspec.data.index import ImageData
from archspec.errors import DataError, DocumentError, PluginError, RunError
from archspec.files import append_line, write_bytes, write_text
from archspec.paths import is_file, is_folder
from archspec.plugins import Plugins
from archspec.spec.arch import ArchSpec
from archspec.spec.dump import to_yaml
from archspec.spec.load import load_spec
from archspec.spec.reader import read_document
from archspec.spec.settings import read_settings
from archspec.training.code import installed_versions, lacking_plugins, used_plugins
from archspec.training.exchange import current
from archspec.training.recipe import DataChoice, Recipe
from archspec.training.records import EpochMetrics, RunInfo, SplitRecord, read_record

METRICS, TIMES, SKIPPED = "metrics.jsonl", "times.jsonl", "skipped.jsonl"


@dataclass(frozen=True)
class Run:
    """A run directory and the settings in it."""

    path: Path
    spec: ArchSpec
    recipe: Recipe
    data: DataChoice
    info: RunInfo

    @property
    def classes(self) -> tuple[str, ...]:
        return self.info.classes

    @property
    def last(self) -> Path:
        return self.path / "checkpoints" / "last"

    @property
    def best(self) -> Path:
        return self.path / "checkpoints" / "best"

    def append(self, name: str, record: dict[str, Any]) -> None:
        """Add a line to `metrics.jsonl`, `times.jsonl` or `skipped.jsonl`.

        Raises:
            RunError: it cannot be written.

        """
        try:
            append_line(self.path / name, json.dumps(record, allow_nan=False))
        except OSError as error:
            raise RunError(f"'{self.path / name}' cannot be written: {error.strerror or error}") from error

    def metrics(self) -> list[EpochMetrics]:
        """The epochs measured so far. A last line that a kill cut short is left out."""
        records = []
        for line in self._lines(METRICS):
            try:
                records.append(EpochMetrics.model_validate_json(line))
            except ValidationError:
                break
        return records

    def skipped(self) -> set[str]:
        """The names of the images that are listed as unreadable."""
        return {json.loads(line)["image"] for line in self._lines(SKIPPED)}

    def forget_after(self, epoch: int) -> None:
        """Keep the lines up to an epoch: what came later is trained again."""
        try:
            for name in (METRICS, TIMES):
                kept = [line for line in self._lines(name) if _epoch_of(line) <= epoch]
                self._rewrite(name, kept)
            if listed := self._lines(SKIPPED):
                self._rewrite(SKIPPED, [line for line in listed if _is_whole(line)])
        except OSError as error:
            raise RunError(f"the run directory '{self.path}' cannot be written: {error.strerror or error}") from error

    def _rewrite(self, name: str, lines: list[str]) -> None:
        content = "".join(f"{line}\n" for line in lines).encode()
        path = self.path / name
        if path.is_file() and path.read_bytes() != content:  # a full disk need not matter
            write_bytes(path, content)

    def _lines(self, name: str) -> list[str]:
        path = self.path / name
        return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []

    def discard(self) -> None:
        """Take the directory away, for a run that ended before its first checkpoint."""
        shutil.rmtree(self.path, ignore_errors=True)


def _epoch_of(line: str) -> float:
    """The epoch that a line speaks of; endless for one that is spoilt, so that it is not kept."""
    try:
        return float(json.loads(line)["epoch"])
    except (ValueError, TypeError, KeyError):
        return float("inf")


def _is_whole(line: str) -> bool:
    """Whether no kill cut a line short."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def new_run_path(name: str) -> Path:
    """`runs/NAME-TIME`, with a number behind it where that is taken."""
    first = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    others = (first.with_name(f"{first.name}-{number}") for number in range(2, 1_000))
    return next(path for path in (first, *others) if not path.exists())


def describe_run(
    data: ImageData,
    recipe: Recipe,
    spec: ArchSpec,
    choice: DataChoice,
    *,
    steps: int,
    command: list[str],
    device: str,
    threads: int,
) -> RunInfo:
    """What `run.json` will say of a new run.

    Raises:
        DataError: the recipe's mean or std does not suit the network's input.

    """
    return RunInfo(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=tuple(command),
        versions=installed_versions(),
        plugins=used_plugins(spec, recipe, choice),
        platform=platform.platform(),
        device=device,
        threads=threads,
        seed=recipe.seed,
        steps=steps,
        classes=data.classes,
        preprocessing=recipe.preprocessing(spec.input),
        splits=record_splits(data),
    )


def record_splits(data: ImageData) -> dict[str, SplitRecord]:
    """Which images each split holds."""
    return {name: SplitRecord(images=len(index), sha256=index.fingerprint()) for name, index in data.splits.items()}


def documents(run: Run) -> dict[str, str]:
    """The texts of the files that hold a run's settings; `run.json` is the last, and makes the folder a run."""
    settings = {"spec.yaml": run.spec, "recipe.yaml": run.recipe, "data.yaml": run.data}
    texts = {name: to_yaml(each) for name, each in settings.items()}
    return {**texts, "run.json": run.info.model_dump_json(indent=2) + "\n"}


def create_run(run: Run) -> None:
    """Write a new run directory, whole or not at all.

    Raises:
        RunError: something is there already, or the folder cannot be written.

    """
    check_new_run(run.path)
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        for name, text in documents(run).items():
            write_text(run.path / name, text)
    except BaseException as error:
        run.discard()
        if not isinstance(error, OSError):
            raise
        raise RunError(f"the run directory '{run.path}' cannot be written: {error.strerror or error}") from error


def lock_run(run: Run) -> FileLock:
    """Hold a run directory for the one process that may train in it. A killed process lets go.

    Raises:
        RunError: another process holds it.

    """
    lock = FileLock(run.path / "run.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(f"another process is training in '{run.path}'") from None
    except OSError as error:
        raise RunError(f"the run directory '{run.path}' cannot be written: {error.strerror or error}") from error
    return lock


def check_new_run(path: Path) -> None:
    """Refuse a place for a new run that holds something already."""
    if is_file(path):
        raise RunError(f"'{path}' is a file, not a place for a run directory")
    if is_folder(path) and any(path.iterdir()):
        help = f"go on with it by `--resume {path}`, or name another place with `--out`"
        raise RunError(f"the run directory '{path}' exists already", help=help)


def open_run(path: Path, plugins: Plugins) -> Run:
    """The run in a directory.

    Raises:
        RunError: it is no run directory, is damaged, or was made with plugins that are not here.

    """
    if not is_file(path / "run.json"):
        what = "is no run directory: it holds no run.json" if is_folder(path) else "is no run directory"
        raise RunError(f"'{path}' {what}", help="`archspec train` makes a run directory and prints its name")
    info = read_record(RunInfo, current(path, "run.json"))
    if missing := [name for name in ("spec.yaml", "recipe.yaml", "data.yaml") if not is_file(path / name)]:
        raise RunError(f"the run directory '{path}' is damaged: it holds no {missing[0]}")
    try:
        return Run(
            path=path,
            spec=load_spec(current(path, "spec.yaml"), plugins=plugins),
            recipe=read_settings(Recipe, read_document(current(path, "recipe.yaml")), plugins),
            data=read_settings(DataChoice, read_document(current(path, "data.yaml")), plugins),
            info=info,
        )
    except (DocumentError, PluginError) as error:
        if (lacking := lacking_plugins(path, info.plugins, plugins)) is not None:
            raise lacking from error
        raise


def refuse_other_images(run: Run, data: ImageData, splits: Iterable[str], cure: str | None = None) -> None:
    """Compare the splits' images with those that the run began with. `cure` is what the error advises.

    Raises:
        DataError: a split holds other images now.

    """
    for name in splits:
        before, now = run.info.splits.get(name), data.splits.get(name)
        if before is not None and now is not None and now.fingerprint() != before.sha256:
            message = f"the {name} split is not the one that '{run.path}' was trained with: {before.images:,} images"
            drawn = "its splits are drawn from one folder; name other images with --data" if data.drawn else None
            raise DataError(f"{message} then, {len(now):,} now, or others", file=data.root, help=cure or drawn)
