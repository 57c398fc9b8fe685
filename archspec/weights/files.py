"""Reads tensors from a file. A file is data: nothing in it is ever run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor

from archspec.errors import WeightsError

_NESTED = ("state_dict", "model", "model_state_dict", "net")
_DAMAGE = (safetensors.SafetensorError, zipfile.BadZipFile, RuntimeError, EOFError, OSError, KeyError, ValueError)
_PREFIXES = ("module.", "_orig_mod.", "model.")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file, or of a PyTorch checkpoint (`.pth`, `.pt`), on the CPU.

    Raises:
        WeightsError: there is no such file, it is damaged, or it holds something other than tensors.

    """
    if not path.is_file():
        raise WeightsError(f"there is no weights file '{path}'")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"'{path}' holds more than tensors, and opening it would run code; it was not opened",
            help="save its state dict alone: torch.save(network.state_dict(), ...)",
        ) from error
    except _DAMAGE as error:
        raise WeightsError(f"'{path}' is damaged, or is no weights file: {str(error).splitlines()[0]}") from error
    return state_tensors(content, str(path))


def state_tensors(content: Any, source: str) -> dict[str, Tensor]:
    """The tensors in a checkpoint's content: nested under a usual key, under a wrapper's prefix, or plain."""
    while isinstance(content, Mapping):
        nested = next((content[key] for key in _NESTED if isinstance(content.get(key), Mapping)), None)
        if nested is None:
            break
        content = nested
    tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    if not tensors:
        raise WeightsError(f"'{source}' holds no state dict: no tensors with names")
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
