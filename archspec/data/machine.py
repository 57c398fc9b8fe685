"""What this machine has for reading images."""

from __future__ import annotations

import os


def default_workers() -> int:
    """Processes that read images: one for each core that this process may use, up to 8."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
