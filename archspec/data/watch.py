"""What loader processes are doing, so that one that dies or hangs can be named, with its file."""

from __future__ import annotations

import os
import re
import time

import torch

from archspec.data.index import ImageIndex
from archspec.errors import DataError

_PROCESS, _POSITION, _SINCE = range(3)


class Watch:
    """A row a worker, in memory that all processes share: its process, the image it is at, and since when."""

    def __init__(self, workers: int) -> None:
        self.rows = torch.full((workers, 3), -1.0, dtype=torch.float64).share_memory_()
        self.own: int | None = None
        """The row of the worker that this process is; None in the main one."""

    def join(self, worker: int) -> None:
        """This process is a worker."""
        self.own = worker
        self.rows[worker, _PROCESS] = os.getpid()

    def begin(self, position: int) -> None:
        """This worker begins with an image."""
        if self.own is not None:
            self.rows[self.own, _POSITION] = position
            self.rows[self.own, _SINCE] = time.monotonic()

    def explain(self, message: str, timeout: float, index: ImageIndex) -> DataError | None:
        """The error for what torch says of its workers, or None where it speaks of something else."""
        rows = self.rows.tolist()
        if died := re.search(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)", message):
            processes = {int(number) for number in re.findall(r"\d+", died[1])}
            where = _where([row for row in rows if int(row[_PROCESS]) in processes], index)
            help = "the machine may be out of memory: try fewer workers (--workers); or the image crashes its decoder"
            return DataError(f"a loader process ended by itself ({where})", file=index.root, help=help)
        if "timed out" in message:
            where = _where(sorted(rows, key=lambda row: row[_SINCE])[:1], index)
            help = "the images may lie on a disk that does not answer"
            return DataError(f"no batch came for {timeout:g} seconds ({where})", file=index.root, help=help)
        return None


def _where(rows: list[list[float]], index: ImageIndex) -> str:
    """Which process was at which image."""
    at = [(int(row[_PROCESS]), int(row[_POSITION])) for row in rows if row[_POSITION] >= 0]
    return ", ".join(f"process {process} at '{index.name(position)}'" for process, position in at) or "at its start"
