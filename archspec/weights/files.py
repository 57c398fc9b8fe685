"""Reads tensors from a file. A file is data: nothing in it is ever run."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from archspec.errors import WeightsError
from archspec.paths import is_file

_NESTED = ("state_dict", "model", "model_state_dict", "net")
_PREFIXES = ("module.", "_orig_mod.", "model.")
_DEEPEST = 4


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file or a PyTorch checkpoint, told apart by their first bytes, on the CPU.

    Raises:
        WeightsError: there is no such file, it is damaged, or it holds something other than tensors.

    """
    if not is_file(path):
        raise WeightsError(f"there is no weights file '{path}'")
    try:
        with path.open("rb") as stream:
            start = stream.read(9)
        if start[8:] == b"{":  # safetensors: the header's length in 8 bytes, then JSON
            return dict(load_file(path))
        if start[:2] not in (b"PK", b"\x80\x02"):  # torch.save: a zip file, or before 1.6 a pickle
            raise WeightsError(
                f"'{path}' is damaged, or is no weights file: neither safetensors nor torch.save wrote it"
            )
        with path.open("rb") as stream, warnings.catch_warnings(action="ignore"):  # by a path torch goes by its suffix
            content = torch.load(stream, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        if "Weights only load failed" not in str(error):
            raise _damaged(path, error) from error
        raise WeightsError(
            f"'{path}' holds more than tensors, and opening it could run code; it was not opened",
            help="save its state dict alone: torch.save(network.state_dict(), ...)",
        ) from error
    except Exception as error:  # a damaged file makes torch raise nearly anything
        raise _damaged(path, error) from error
    return state_tensors(content, str(path))


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return WeightsError(f"'{path}' is damaged, or is no weights file: {reason}")


def state_tensors(content: Any, source: str) -> dict[str, Tensor]:
    """The tensors in a checkpoint's content: nested under a usual key, under wrappers' prefixes, or plain."""
    for _ in range(_DEEPEST):
        nested = [content[key] for key in _NESTED if isinstance(content, Mapping) and _is_map(content.get(key))]
        content = nested[0] if nested else content
    tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    if not tensors:
        raise WeightsError(f"'{source}' holds no state dict: no tensors with names")
    while prefix := next((p for p in _PREFIXES if all(name.startswith(p) for name in tensors)), ""):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _is_map(value: Any) -> bool:
    return isinstance(value, Mapping)
