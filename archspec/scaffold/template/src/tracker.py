"""A tracker: a table of the epochs that a spreadsheet opens."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from archspec import Offer, Offers, Options, hookimpl

if TYPE_CHECKING:
    from archspec import EpochResult, StepResult, Tracker

_COLUMNS = ("epoch", "lr", "train_loss", "train_top1", "validation_loss", "validation_top1")


class TableOptions(Options):
    """Options of the tracker."""

    separator: Literal[",", ";"] = ","
    """Between two cells; some languages' spreadsheets want the semicolon."""


class Table:
    """Writes RUN/$name/epochs.csv, a line an epoch."""

    def __init__(self, separator: str, folder: Path) -> None:
        self._separator, self._file = separator, folder / "epochs.csv"

    def begin(self, info: dict[str, Any]) -> None:
        """The run directory exists now. `info["epoch"]` is the last one that is done: 0, or where a run goes on."""
        self._file.parent.mkdir(exist_ok=True)
        kept = []
        if info["epoch"] and self._file.exists():  # later epochs are trained, and told, again
            with self._file.open(newline="") as stream:
                rows = list(csv.reader(stream, delimiter=self._separator))[1:]
            kept = [row for row in rows if int(row[0]) <= info["epoch"]]
        self._write("w", [_COLUMNS, *kept])

    def step(self, result: StepResult) -> None:
        """After each step. Its tensors are on the device: to read one here would make a GPU wait."""

    def epoch(self, result: EpochResult) -> None:
        """After each epoch; the recipe may leave out its evaluation."""
        found = result.validation
        measured = (found.loss, found.top1) if found is not None else ("", "")
        self._write("a", [(result.epoch, result.lr, result.train_loss, result.train_top1, *measured)])

    def close(self) -> None:
        """However the run ends. There is nothing open between two epochs."""

    def _write(self, mode: Literal["w", "a"], rows: list[Any]) -> None:
        with self._file.open(mode, newline="") as stream:
            csv.writer(stream, delimiter=self._separator).writerows(rows)


def table(options: TableOptions, folder: Path) -> Tracker:
    """The tracker; `folder` is its own, and it makes it when the run begins."""
    return Table(options.separator, folder)


@hookimpl
def archspec_trackers() -> Offers:
    return {"$name": Offer(TableOptions, table, "a line an epoch, as CSV")}
