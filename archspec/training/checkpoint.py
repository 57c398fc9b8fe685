"""Checkpoints: a folder of safetensors and a manifest with their SHA-256. Nothing in one is ever unpickled."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from archspec.errors import RunError
from archspec.files import before, find_folder, replace_folder, restore_folder, sha256, sync, write_text
from archspec.training.records import Manifest, read_record
from archspec.weights.files import frozen_file

MODEL, STATE, MANIFEST = "model.safetensors", "training.safetensors", "manifest.json"


def save_checkpoint(
    folder: Path,
    manifest: Manifest,
    model: Mapping[str, Tensor],
    state: Mapping[str, Tensor] | None = None,
    *,
    keep_before: bool = False,
) -> None:
    """Write a checkpoint in the place of `folder`, whole or not at all.

    `state` is what training needs to go on, beside the model. With `keep_before`, the one that was there stays beside.

    Raises:
        RunError: it cannot be written; what was there before is still there.

    """
    writing = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(writing, ignore_errors=True)
    hashes = {}
    try:
        writing.mkdir(parents=True)
        for name, tensors in ((MODEL, model), (STATE, state)):
            if tensors is not None:
                save_file({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}, writing / name)
                sync(writing / name)
                hashes[name] = sha256(writing / name)
        write_text(writing / MANIFEST, manifest.model_copy(update={"sha256": hashes}).model_dump_json(indent=2) + "\n")
        for name in hashes:  # safetensors writes for the owner alone; a run's files are all alike
            shutil.copymode(writing / MANIFEST, writing / name)
        replace_folder(writing, folder, keep_before=keep_before)
    except BaseException as error:
        restore_folder(folder, keep_before=keep_before)
        shutil.rmtree(writing, ignore_errors=True)
        if not isinstance(error, OSError | safetensors.SafetensorError):
            raise
        help = "the one before it is whole, and `--resume` goes on from it" if folder.is_dir() else None
        raise RunError(f"the checkpoint '{folder}' cannot be written: {error}", help=help) from error


def read_checkpoint(folder: Path, name: str = MODEL) -> tuple[Manifest, dict[str, Tensor]]:
    """A checkpoint's manifest, and the tensors of one of its files after its SHA-256 was compared.

    Raises:
        RunError: there is no such checkpoint, or it is damaged.

    """
    before = _find(folder)
    manifest = read_record(Manifest, before / MANIFEST)
    try:
        return manifest, _tensors(before / name, manifest) | _frozen(folder, name, manifest)
    except RunError:
        there = _find(folder)
        now = read_record(Manifest, there / MANIFEST)
        if now == manifest:
            raise
        # a running training has put the next one in its place meanwhile
        return now, _tensors(there / name, now) | _frozen(folder, name, now)


def read_frozen(run: Path, expected: str) -> dict[str, Tensor]:
    """The tensors that no epoch of a run changes.

    Raises:
        RunError: the file is missing or damaged.

    """
    return _read(frozen_file(run, expected), expected)


def _frozen(folder: Path, name: str, manifest: Manifest) -> dict[str, Tensor]:
    """What a model's file leaves out: it lies in the run's folder, two above the checkpoint."""
    return read_frozen(folder.parent.parent, manifest.frozen) if name == MODEL and manifest.frozen else {}


def drop_damaged(folder: Path) -> list[str]:
    """Where a checkpoint is damaged and the one before it is not, put that in its place, and say so in a sentence.

    Raises:
        RunError: both are damaged, or there is no other.

    """
    try:
        check_files(folder)
    except RunError as error:
        if not before(folder).is_dir():
            raise
        check_files(before(folder))
        shutil.rmtree(folder)
        before(folder).rename(folder)
        return [f"{error.message}: the checkpoint before it is taken"]
    return []


def check_files(folder: Path) -> None:
    """Compare the files of a checkpoint with its manifest.

    Raises:
        RunError: one is missing or damaged.

    """
    manifest = read_record(Manifest, folder / MANIFEST)
    for name, expected in manifest.sha256.items():
        _refuse_damage(folder / name, expected)


def _find(folder: Path) -> Path:
    found = find_folder(folder)
    if found is None:
        raise RunError(f"there is no checkpoint '{folder}' yet", help="a run writes its first after its first epoch")
    return found


def _refuse_damage(path: Path, expected: str | None) -> None:
    if expected is None or not path.is_file():
        raise RunError(f"the checkpoint '{path.parent}' has no {path.name}")
    if sha256(path) != expected:
        raise RunError(
            f"the checkpoint file '{path}' is damaged: its SHA-256 is not the manifest's",
            help="use another checkpoint of the run, or train again",
        )


def _tensors(path: Path, manifest: Manifest) -> dict[str, Tensor]:
    return _read(path, manifest.sha256.get(path.name))


def _read(path: Path, expected: str | None) -> dict[str, Tensor]:
    _refuse_damage(path, expected)
    try:
        return dict(load_file(path))
    except (safetensors.SafetensorError, OSError) as error:
        raise RunError(f"the checkpoint file '{path}' is damaged: {error}") from error


def optimizer_tensors(optimizer: Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """The optimizer's state under the names of the parameters: `stem.conv.weight/momentum_buffer`.

    Raises:
        RunError: there is state that is no tensor, or not of a parameter: it would be lost.

    """
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    tensors: dict[str, Tensor] = {}
    for parameter, state in optimizer.state.items():
        if id(parameter) not in names:
            raise RunError(f"a checkpoint cannot hold {_state(optimizer)} of what is no parameter of the network")
        for key, value in state.items():
            name = f"{names[id(parameter)]}/{key}"
            if isinstance(value, Tensor):
                tensors[name] = value
            elif value is not None:  # which is as good as no entry
                what = f"{_state(optimizer)} '{name}', which is {type(value).__name__} and no tensor"
                raise RunError(f"a checkpoint cannot hold {what}")
    return tensors


def _state(optimizer: Optimizer) -> str:
    return f"{type(optimizer).__name__}'s state"


def restore_optimizer(optimizer: Optimizer, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put the state of `optimizer_tensors` back.

    Raises:
        RunError: there is state of a parameter that the network lacks.

    """
    parameters = dict(network.named_parameters())
    counted_there = {
        parameter
        for group in optimizer.param_groups
        if group.get("fused") or group.get("capturable")
        for parameter in group["params"]
    }
    for full_name, value in tensors.items():
        name, _, key = full_name.rpartition("/")
        if name not in parameters:
            raise RunError(f"the checkpoint holds the optimizer's state of '{name}', which the network lacks")
        parameter = parameters[name]
        if value.shape == parameter.shape:  # laid out as the parameter is, which fused kernels need
            restored = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
        elif key == "step" and parameter not in counted_there:  # torch counts on the host, where reading it is free
            restored = value.cpu().clone()
        else:  # a copy, since the file's own memory is mapped
            restored = value.to(parameter.device, copy=True)
        optimizer.state[parameter][key] = restored.detach()
