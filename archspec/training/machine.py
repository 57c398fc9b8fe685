"""How much memory is free."""

from __future__ import annotations

from pathlib import Path

import torch

_INFORMATION = Path("/proc/meminfo")
_LIMITS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)
"""What a container may use, and what it uses, in both versions of Linux's control groups."""


def free_memory(device: torch.device) -> int | None:
    """Bytes that a process can still get on a device; None where the system does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    found = [value for value in (_available(), *map(_left, _LIMITS)) if value is not None]
    return min(found, default=None)


def _available() -> int | None:
    """Linux's own estimate, without swapping."""
    try:
        lines = _INFORMATION.read_text(encoding="ascii").splitlines()
        (line,) = (line for line in lines if line.startswith("MemAvailable:"))
        return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        return None


def _left(limit: tuple[Path, Path]) -> int | None:
    """What a container has left; a file that says `max` has no limit."""
    try:
        most, used = (int(path.read_text(encoding="ascii")) for path in limit)
    except (OSError, ValueError):
        return None
    return max(0, most - used)
