"""Checkpoints: a folder of safetensors and a manifest with their SHA-256. Nothing in one is ever unpickled."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from archspec.errors import RunError
from archspec.training.files import read_json, replace_folder, restore_folder, sha256, sync, write_json

MODEL, STATE, MANIFEST = "model.safetensors", "training.safetensors", "manifest.json"


def save_checkpoint(
    folder: Path, model: Mapping[str, Tensor], content: Mapping[str, Any], state: Mapping[str, Tensor] | None = None
) -> None:
    """Write a checkpoint in the place of `folder`, whole or not at all.

    `content` goes into the manifest; `state` is what training needs to go on, beside the model.

    Raises:
        RunError: it cannot be written; what was there before is still there.

    """
    writing = _writing(folder)
    shutil.rmtree(writing, ignore_errors=True)
    hashes = {}
    try:
        writing.mkdir(parents=True)
        for name, tensors in ((MODEL, model), (STATE, state)):
            if tensors is not None:
                save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, writing / name)
                sync(writing / name)
                hashes[name] = sha256(writing / name)
        write_json(writing / MANIFEST, {**content, "sha256": hashes})
        replace_folder(writing, folder)
    except (OSError, safetensors.SafetensorError) as error:
        shutil.rmtree(writing, ignore_errors=True)
        raise RunError(
            f"the checkpoint '{folder}' cannot be written: {error}", help="the one before it is whole"
        ) from error


def _writing(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.writing")


def open_checkpoint(folder: Path) -> dict[str, Any] | None:
    """A checkpoint's manifest, or None where there is no checkpoint. Ends a replacement that was cut short."""
    restore_folder(_writing(folder), folder)
    return read_json(folder / MANIFEST) if folder.is_dir() else None


def read_checkpoint(folder: Path, name: str = MODEL) -> dict[str, Tensor]:
    """The tensors of one of a checkpoint's files, after its SHA-256 was compared.

    Raises:
        RunError: the file is missing or damaged.

    """
    path = folder / name
    expected = read_json(folder / MANIFEST).get("sha256", {}).get(name)
    if not path.is_file() or expected is None:
        raise RunError(f"the checkpoint '{folder}' has no {name}")
    if sha256(path) != expected:
        raise RunError(
            f"the checkpoint file '{path}' is damaged: its SHA-256 is not the manifest's",
            help="use another checkpoint of the run, or train again",
        )
    try:
        return dict(load_file(path))
    except safetensors.SafetensorError as error:
        raise RunError(f"the checkpoint file '{path}' is damaged: {error}") from error


def optimizer_tensors(optimizer: Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """The optimizer's state under the names of the parameters: `stem.conv.weight/momentum_buffer`."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {
        f"{names[id(parameter)]}/{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: Optimizer, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put the state of `optimizer_tensors` back."""
    parameters = dict(network.named_parameters())
    for full_name, value in tensors.items():
        name, _, key = full_name.rpartition("/")
        if name not in parameters:
            raise RunError(f"the checkpoint holds the optimizer's state of '{name}', which the network lacks")
        parameter = parameters[name]
        if value.shape == parameter.shape:  # laid out as the parameter is, which fused kernels need
            value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        optimizer.state[parameter][key] = value.detach()
