"""Looks at every image of an index, in worker processes. Results come in order, a few at a time."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

from archspec.data.index import ImageIndex
from archspec.data.interrupts import uninterrupted
from archspec.data.look import Looks, look_at
from archspec.data.machine import default_workers
from archspec.errors import DataError

_CHUNK = 16
"""Images in a task: few enough that an interrupt waits for little."""
_WORTH_A_PROCESS = 256
"""A process takes as long to start as this many small images to read."""
_index: ImageIndex
"""What a worker process looks at. It is sent once, as the process starts."""


def survey(index: ImageIndex, workers: int | None = None) -> Iterator[Looks]:
    """Look at every image, a few at a time, in order.

    Without `workers`, there is a process for each core, up to 8, where there is work for it; with 0, all happens in
    this one. Images that are in memory already are looked at here.

    Raises:
        DataError: a process ended all of a sudden.

    """
    if workers is None:
        workers = min(default_workers(), len(index) // _WORTH_A_PROCESS)
    chunks = [range(start, min(start + _CHUNK, len(index))) for start in range(0, len(index), _CHUNK)]
    if workers == 0 or not chunks or index.file(0) is None:
        for chunk in chunks:
            yield look_at(index, chunk)
        return
    try:
        yield from _in_processes(index, chunks, workers)
    except BrokenProcessPool:
        help = "is there memory enough? `--workers 0` reads the images in this process"
        raise DataError("a process that read images ended all of a sudden", file=index.root, help=help) from None


def _in_processes(index: ImageIndex, chunks: list[range], workers: int) -> Iterator[Looks]:
    """Tasks wait in a short queue, so that neither they nor results pile up."""
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(index,))
    waiting: deque[Future[Looks]] = deque()
    try:
        for chunk in chunks:
            with uninterrupted():  # the first task starts the processes
                waiting.append(pool.submit(_look, chunk))
            if len(waiting) > 4 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(index: ImageIndex) -> None:
    """A worker process begins."""
    global _index
    _index = index
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where Ctrl-C cannot be held back
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Where the first process is killed, nobody would send the others home."""
    parent = parent_process()
    assert parent is not None, "a worker has a parent"
    wait([parent.sentinel])
    os._exit(1)


def _look(numbers: range) -> Looks:
    return look_at(_index, numbers)
