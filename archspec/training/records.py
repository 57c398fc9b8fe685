"""What a run directory's JSON files hold. They are parsed once, when they are read, and trusted afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from archspec.data.preprocessing import Preprocessing
from archspec.errors import RunError
from archspec.offers import Settings

R = TypeVar("R", bound=Settings)


class Progress(Settings):
    """How far a run is: what the next step needs to know, beside the network and the optimizer."""

    epoch: int = 0
    """Epochs that are done."""
    step: int = 0
    """Steps that are done, in all epochs."""
    batch: int = 0
    """Batches that are done in the epoch that has begun."""
    images: int = 0
    loss: float = 0.0
    """Its images so far, and the sum of their losses."""
    correct: int = 0
    """How many were classified right."""


class EpochMetrics(Settings):
    """One epoch: a line of `metrics.jsonl`. The same run gives the same line again, bit for bit."""

    epoch: int
    step: int
    lr: float
    train_loss: float
    train_top1: float
    top1: float | None = None
    """Of the validation split, as the rest; null in an epoch that was not evaluated."""
    top5: float | None = None
    loss: float | None = None
    images: int | None = None
    skipped: int = 0
    """Images that could not be read, where the recipe skips those."""


class SplitRecord(Settings):
    """Which images a split held."""

    images: int
    sha256: str


class RunInfo(Settings):
    """`run.json`."""

    format: Literal[1] = 1
    created: str
    command: tuple[str, ...]
    versions: dict[str, str]
    plugins: tuple[str, ...]
    platform: str
    device: str
    threads: Annotated[int, Field(ge=1)]
    """Of the training process. Their number changes the last bits of sums, so a resumed run keeps it."""
    seed: int
    steps: int
    """Of the whole run. A recipe's time budget became this number when the run began."""
    features: Literal["none", "memory", "disk"] = "none"
    """Where features of a frozen prefix are kept. What `auto` chose stays, since it decides what training sees."""
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    splits: dict[str, SplitRecord]


class Manifest(Settings):
    """`manifest.json` of a checkpoint."""

    format: Literal[1] = 1
    progress: Progress
    metrics: EpochMetrics | None
    """Of the last epoch that was evaluated; null before the first."""
    best: EpochMetrics | None
    waiting: int = 0
    """Evaluations since the best one."""
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    scaler: dict[str, Any] = Field(default_factory=dict)
    """State of the loss scaling of fp16; empty otherwise."""
    sha256: dict[str, str] = Field(default_factory=dict)
    """Of each file beside this one."""
    frozen: str | None = None
    """The SHA-256 of the run's `frozen.safetensors`, whose tensors the model's file leaves out; null without one."""


def read_record(model: type[R], path: Path) -> R:
    """The record in a JSON file.

    Raises:
        RunError: there is no such file, or it does not hold what it should.

    """
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"there is no file '{path}'") from None
    except OSError as error:
        raise RunError(f"'{path}' cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RunError(f"'{path}' is damaged, or of another version: {where} {first['msg'].lower()}") from error
