"""Ctrl-C, held back while processes start: one that comes then would leave a half-made pool behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the end. A process that starts meanwhile never sees it: the first one ends it."""
    if threading.current_thread() is not threading.main_thread():  # others get no signals
        yield
        return
    received: list[tuple[Any, ...]] = []
    # the handler, since the system may give the signal to any thread; the mask, since processes inherit it
    before = signal.signal(signal.SIGINT, lambda *given: received.append(given))
    masks = hasattr(signal, "pthread_sigmask")
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else set()
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, before)
        if received and callable(before):
            before(*received[0])
