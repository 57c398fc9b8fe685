"""Where a network runs, and what it computes in there."""

from __future__ import annotations

import torch

from archspec.errors import RunError


def choose_device(name: str) -> torch.device:
    """The device of a name; `auto` takes a GPU where there is one.

    Raises:
        RunError: torch knows no such device, or it is not there.

    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.ones(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError) as error:
        there = torch.accelerator.current_accelerator(check_available=True)
        known = f"auto, cpu, {there.type}" if there else "auto, cpu: torch finds no GPU on this machine"
        raise RunError(f"the device '{name}' cannot be used", help=f"devices: {known}") from error
    return device


def compute_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """What a forward pass computes in; None is float32."""
    if precision == "auto":
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else None
    return {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
