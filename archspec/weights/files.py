"""Reads tensors from a file. A file is data: nothing in it is ever run."""

from __future__ import annotations

import pickle
import re
import warnings
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from archspec.errors import WeightsError, shorten
from archspec.paths import is_file
from archspec.weights.nested import find_state

_HARMLESS = [Namespace]
"""Training scripts keep their options in one; it holds values, and making it runs nothing."""


@dataclass(frozen=True)
class Content:
    """What a file holds, before the state dict in it is found."""

    content: Any
    metadata: dict[str, str]
    """What a safetensors file says beside its tensors."""
    ordered: bool = True
    """Whether the tensors stand in the order in which they were registered: safetensors sorts them."""


def frozen_file(run: Path, digest: str) -> Path:
    """In a run's folder: the tensors that no epoch changes and checkpoints leave out, by their SHA-256."""
    return run / f"frozen-{digest[:12]}.safetensors"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file or a PyTorch checkpoint, on the CPU.

    Raises:
        WeightsError: there is no such file, it is damaged, or it holds something other than tensors.

    """
    return find_state(read_content(path).content, f"'{path}'").tensors


def read_content(path: Path) -> Content:
    """What a `.safetensors` file or a PyTorch checkpoint holds, told apart by their first bytes, on the CPU.

    Raises:
        WeightsError: there is no such file, it is damaged, or opening it could run code.

    """
    if not is_file(path):
        raise WeightsError(f"there is no weights file '{path}'")
    try:
        with path.open("rb") as stream:
            start = stream.read(9)
        if start[8:] == b"{":  # safetensors: the header's length in 8 bytes, then JSON
            return _read_safetensors(path)
        if start[:2] not in (b"PK", b"\x80\x02"):  # torch.save: a zip file, or before 1.6 a pickle
            raise WeightsError(
                f"'{path}' is damaged, or is no weights file: neither safetensors nor torch.save wrote it"
            )
        return Content(_load_pickle(path), {})
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        if "Weights only load failed" not in str(error):
            raise _damaged(path, error) from error
        raise _refused(path, str(error)) from error
    except Exception as error:  # a damaged file makes torch raise nearly anything
        raise _damaged(path, error) from error


def _load_pickle(path: Path) -> Any:
    with (
        path.open("rb") as stream,  # by a path torch goes by its suffix
        torch.serialization.safe_globals(_HARMLESS),  # type: ignore[arg-type]
        warnings.catch_warnings(action="ignore"),
    ):
        return torch.load(stream, map_location="cpu", weights_only=True)


def _read_safetensors(path: Path) -> Content:
    with safe_open(path, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # it is no dict
        return Content(tensors, opened.metadata() or {}, ordered=False)


def _refused(path: Path, reason: str) -> WeightsError:
    """The error for a pickle that asks for more than tensors, with the name that it asks for."""
    asked = re.search(r"GLOBAL ([\w.]+)", reason)
    what = f": it asks for '{shorten(asked[1])}'" if asked else ""
    return WeightsError(
        f"'{path}' holds more than tensors, and opening it could run code; it was not opened{what}",
        help="save its state dict alone: torch.save(network.state_dict(), ...)",
    )


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return WeightsError(f"'{path}' is damaged, or is no weights file: {reason}")
