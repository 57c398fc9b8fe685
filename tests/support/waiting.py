"""The one clock of the tests: a guard against waiting for ever, far above what any machine needs."""

import time

HANG = 600.0
"""Seconds after which a test that waits gives up. Nothing passes or fails by them on a machine that works."""


def wait_for(condition, process=None, *, seconds=HANG):
    """Wait for an event. A process that ends first, without it, is an error."""
    last = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            assert condition(), f"the process ended first, with exit code {process.returncode}"
            return
        assert time.monotonic() < last, f"{condition} did not come about in {seconds:g} seconds"
        time.sleep(0.005)
