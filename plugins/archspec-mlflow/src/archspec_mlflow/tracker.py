"""The tracker: one run of MLflow's for a run directory, which goes on where that is resumed."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.entities import Metric, Param, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.tracking import MlflowClient

from archspec.errors import RunError

if TYPE_CHECKING:
    from archspec import EpochResult, StepResult
    from archspec_mlflow import MlflowOptions

_STATE = "run.json"
_VALIDATION = ("loss", "top1", "top5", "balanced")
_MOST_PARAMS = 100
"""MLflow takes so many at once."""


class MlflowTracker:
    """A run of MLflow's. `folder` remembers which one it is, and holds its store where no other is named."""

    def __init__(self, options: MlflowOptions, folder: Path) -> None:
        self._options, self._folder = options, folder
        self._uri = options.uri or os.environ.get("MLFLOW_TRACKING_URI") or None
        self._refuse_uri()
        self._client: MlflowClient | None = None
        self._run = ""
        self._between = True
        """Whether the last that was told is an epoch: a run that ends so came to its end."""
        self._waiting: list[StepResult] = []
        self._told: dict[str, dict[int, float]] = {}
        """Metric -> step -> value, of a run that was there before."""

    def _refuse_uri(self) -> None:
        """Refuse a place that MLflow cannot use, as far as can be known without writing to it."""
        uri = self._uri
        if uri is None:
            return
        if uri.startswith("sqlite:"):
            self._refuse_file(uri)
        elif "://" not in uri or uri.startswith("file:"):
            help = (
                "name a file of SQLite's, such as `sqlite:///mlflow.db`, or a server, such as `http://localhost:5000`"
            )
            raise RunError(f"'{uri}' is a folder, and MLflow has given up stores that are folders", help=help)
        else:
            try:
                MlflowClient(tracking_uri=uri)
            except MlflowException as error:
                raise RunError(f"MLflow cannot keep runs in '{uri}': {str(error).strip().splitlines()[0]}") from error

    def _refuse_file(self, uri: str) -> None:
        """Refuse a file of SQLite's that is none, or that has no folder to be made in."""
        name = uri.partition("sqlite:///")[2].partition("?")[0]
        if not name:
            help = "three slashes before a file's name, such as `sqlite:///mlflow.db`"
            raise RunError(f"the tracker 'mlflow' finds no file in '{uri}'", help=help)
        file = Path(name)
        if not file.parent.is_dir():
            raise RunError(f"the tracker 'mlflow' has no folder '{file.parent}' for '{uri}'")
        if file.exists() and not (file.is_file() and _is_database(file)):
            raise RunError(f"'{file}' is no database of SQLite's", help="name another file: a new one is made")

    def begin(self, info: dict[str, Any]) -> None:
        self._folder.mkdir(exist_ok=True)
        for name in ("mlflow.store.db.utils", "alembic"):  # they announce every table of a new store
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = MlflowClient(tracking_uri=self._uri or f"sqlite:///{self._folder.resolve() / 'mlflow.db'}")
        params = flatten({"spec": info["spec"], **info["recipe"], **info["data"]})
        if self._go_on(params, info["step"]):
            self._tell_lost_epochs(Path(info["path"]) / "metrics.jsonl", info["step"])
        else:
            self._start(params, info)

    def _go_on(self, params: dict[str, str], step: int) -> bool:
        """Continue the run that this folder remembers, if its store still has it."""
        assert self._client is not None
        try:
            state = json.loads((self._folder / _STATE).read_text())
        except (FileNotFoundError, ValueError):  # a new run, or one that was killed while it began
            return False
        if state["uri"] != self._uri:
            return False
        try:
            run = self._client.get_run(state["run"])
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            return False
        if run.info.lifecycle_stage != "active":
            return False
        self._run = run.info.run_id
        self._client.set_terminated(self._run, RunStatus.to_string(RunStatus.RUNNING))
        for key, value in params.items():  # a parameter of MLflow's never changes
            if run.data.params.get(key, value) != value:
                self._client.set_tag(self._run, f"changed.{key}", f"{value} from step {step}")
        for key in run.data.metrics:
            points = self._client.get_metric_history(self._run, key)
            self._told[key] = {point.step: point.value for point in points}
        return True

    def _tell_lost_epochs(self, metrics: Path, step: int) -> None:
        """Write what the run knows of its epochs and MLflow does not: a kill may come between the two."""
        rows = map(json.loads, metrics.read_text().splitlines() if metrics.is_file() else ())
        for row in (row for row in rows if row["step"] <= step):
            figures = {"epoch": row["epoch"], "train/loss": row["train_loss"], "train/top1": row["train_top1"]}
            figures |= {f"validation/{name}": row[name] for name in _VALIDATION if row[name] is not None}
            self._write(figures, row["step"])

    def _start(self, params: dict[str, str], info: dict[str, Any]) -> None:
        assert self._client is not None
        experiment = self._client.get_experiment_by_name(self._options.experiment)
        if experiment is not None and experiment.lifecycle_stage != "active":
            message = f"MLflow's experiment '{self._options.experiment}' is deleted: restore it, or name another"
            raise RunError(f"{message} by `recipe.trackers.0.experiment`")
        number = experiment.experiment_id if experiment else self._client.create_experiment(self._options.experiment)
        tags = {"mlflow.source.name": "archspec", "archspec.path": info["path"]}
        self._run = self._client.create_run(number, run_name=info["name"], tags=tags).info.run_id
        (self._folder / _STATE).write_text(json.dumps({"run": self._run, "uri": self._uri}))
        listed = [Param(key, value) for key, value in params.items()]
        for at in range(0, len(listed), _MOST_PARAMS):
            self._client.log_batch(self._run, params=listed[at : at + _MOST_PARAMS])

    def step(self, result: StepResult) -> None:
        self._between = False
        self._waiting.append(result)
        # by the step's number, not by a count: a resumed run then writes the same points
        if result.step % self._options.every == 0 or result.batch == result.batches:
            self._write_steps(result)

    def _write_steps(self, last: StepResult) -> None:
        """The means over the steps that wait, at the last one's place."""
        from torch import stack

        images = sum(step.images for step in self._waiting)
        losses = stack([step.loss.float() * step.images for step in self._waiting])
        loss, correct = stack([losses.sum(), stack([step.correct for step in self._waiting]).sum().float()]).tolist()
        self._waiting.clear()
        self._write({"step/loss": loss / images, "step/top1": correct / images, "step/lr": last.lr}, last.step)

    def epoch(self, result: EpochResult) -> None:
        figures = {
            "epoch": result.epoch,
            "train/loss": result.train_loss,
            "train/top1": result.train_top1,
            "train/images_per_second": result.images_per_second,
        }
        if (found := result.validation) is not None:
            figures |= {f"validation/{name}": getattr(found, name) for name in _VALIDATION}
        self._write(figures, result.step)
        self._between = True

    def _write(self, figures: dict[str, float], step: int) -> None:
        """Write points, but those that a run which was killed has written already."""
        now = int(time.time() * 1000)
        points = [
            Metric(key, value, now, step)
            for key, value in figures.items()
            if self._told.get(key, {}).get(step) != value
        ]
        if self._client is not None and points:
            self._client.log_batch(self._run, metrics=points)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._run:
            status = RunStatus.FINISHED if self._between else RunStatus.KILLED
            with redirect_stdout(sys.stderr):  # it says where a server shows the run
                client.set_terminated(self._run, RunStatus.to_string(status))


def _is_database(file: Path) -> bool:
    """Whether a file is empty or begins as SQLite's do."""
    with file.open("rb") as stream:
        return stream.read(16) in (b"", b"SQLite format 3\0")


def flatten(node: Any, path: str = "") -> dict[str, str]:
    """`{"optimizer": {"lr": 0.1}}` -> `{"optimizer.lr": "0.1"}`. Lists of maps are numbered, others are one value."""
    if isinstance(node, dict):
        items = [(f"{path}.{key}" if path else str(key), item) for key, item in node.items()]
    elif isinstance(node, list) and any(isinstance(item, dict) for item in node):
        items = [(f"{path}.{number}", item) for number, item in enumerate(node)]
    else:
        return {path: node if isinstance(node, str) else json.dumps(node)}
    return {key: value for name, item in items for key, value in flatten(item, name).items()}
