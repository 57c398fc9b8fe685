"""How much memory the process has, and how much of a GPU's."""

from __future__ import annotations

from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")


def resident_bytes() -> int | None:
    """Of this process, without its loader processes; None where the system is not Linux."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) for line in lines if line.startswith("VmRSS:")]
    return sizes[0] * 1024 if sizes else None


def allocated_bytes(device: torch.device) -> int | None:
    """Of a GPU's memory, by torch's tensors; None for a CPU, and where torch does not count."""
    if device.type == "cpu":
        return None
    count = getattr(torch.get_device_module(device), "memory_allocated", None)
    return None if count is None else int(count(device))


def show_bytes(size: int) -> str:
    """`812 MB`, `1.2 GB`."""
    return f"{size / 1e6:,.0f} MB" if size < 999.5e6 else f"{size / 1e9:,.1f} GB"
