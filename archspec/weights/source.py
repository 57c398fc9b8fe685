"""Where weights come from: a file, a run of ours or a checkpoint of it, or a state dict in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from archspec.data.preprocessing import Preprocessing
from archspec.errors import WeightsError, shorten
from archspec.paths import is_file, is_folder
from archspec.weights.files import frozen_file, read_content
from archspec.weights.nested import find_state, state_tensors
from archspec.weights.preprocessing import (
    KnownPreprocessing,
    stated_by,
    stated_classes,
    stated_preprocessing,
)

_MODEL, _MANIFEST = "model.safetensors", "manifest.json"


@dataclass(frozen=True)
class WeightsSource:
    """Named tensors, and what is known of them."""

    name: str
    """As messages have it: `'resnet18.pth'`, `the state dict`."""
    tensors: Mapping[str, Tensor]
    sha256: str | None = None
    """Of the file; of a run with a file for what it never changes, of both files' digits."""
    notes: tuple[str, ...] = ()
    """What was chosen among several."""
    classes: tuple[str, ...] | None = None
    preprocessing: KnownPreprocessing | None = None
    ordered: bool = True
    """Whether the tensors stand in the order of their registration."""


class _Manifest(BaseModel):
    """What is read of a checkpoint's manifest."""

    model_config = ConfigDict(extra="ignore")

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    sha256: dict[str, str]
    frozen: str | None = None
    """SHA-256 of the file in the run's folder that has what no epoch changes."""


def open_source(source: Path | str | Mapping[str, Tensor], key: str | None = None) -> WeightsSource:
    """The weights of a file, a run directory, a checkpoint's folder, or a state dict.

    Raises:
        WeightsError: there is no such file or key, or it is damaged, or holds no weights.

    """
    if isinstance(source, Mapping):
        return WeightsSource("the state dict", state_tensors(source, "the state dict"))
    path = Path(source)
    if is_folder(path / "checkpoints"):
        return _open_run(path, key)
    if is_folder(path) or (path.name == _MODEL and is_file(path.with_name(_MANIFEST))):
        return _open_checkpoint(path if is_folder(path) else path.parent, key)
    read = read_content(path)
    state = find_state(read.content, f"'{path}'", key)
    stated = stated_by(path, read.content, read.metadata)
    return WeightsSource(
        f"'{path}'",
        state.tensors,
        _sha256(path),
        notes=_choice(state.key, state.others, averaged=state.averaged),
        classes=stated_classes(stated),
        preprocessing=stated_preprocessing(stated),
        ordered=read.ordered,
    )


def _choice(key: str, others: tuple[str, ...], *, averaged: bool) -> tuple[str, ...]:
    if not others:
        return ()
    what = "the moving average" if averaged else "as asked or first"
    listed = ", ".join(f"'{shorten(other)}'" for other in others)
    return (f"it holds several state dicts: '{shorten(key)}' was taken ({what}), and not {listed}; --key chooses",)


def _open_run(path: Path, key: str | None) -> WeightsSource:
    """The weights of a run's checkpoint: `best`, where it has one, or the one asked for."""
    found = [name for name in ("best", "last") if _there(path / "checkpoints" / name)]
    if key is not None and key not in found:
        help = f"it has {' and '.join(found)}" if found else "a run writes its first after its first epoch"
        raise WeightsError(f"the run '{path}' has no checkpoint '{shorten(key)}'", help=help)
    if not found:
        help = "a run writes its first after its first epoch"
        raise WeightsError(f"the run '{path}' has no checkpoint yet", help=help)
    chosen = key or found[0]
    others = [name for name in found if name != chosen]
    note = f"its checkpoint '{chosen}' was taken" + (f", and not '{others[0]}'; --key chooses" if others else "")
    return _open_checkpoint(path / "checkpoints" / chosen, None, (note,))


def _there(folder: Path) -> Path | None:
    """Where a checkpoint is: in its place, or beside it for a moment while a run puts the next one there."""
    return next((path for path in (folder, folder.with_name(f"{folder.name}.before")) if is_folder(path)), None)


def _open_checkpoint(folder: Path, key: str | None, notes: tuple[str, ...] = ()) -> WeightsSource:
    there = _there(folder) or folder
    if not is_file(there / _MANIFEST) or not is_file(there / _MODEL):
        help = "name a weights file, a run directory, or one of its checkpoints"
        raise WeightsError(f"the folder '{folder}' is no run and no checkpoint of archspec", help=help)
    if key is not None:
        raise WeightsError(f"the checkpoint '{folder}' holds one state dict", help="leave --key out")
    try:
        manifest = _Manifest.model_validate_json((there / _MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise WeightsError(f"'{there / _MANIFEST}' is damaged, or of another version") from error
    digest = manifest.sha256.get(_MODEL, "")
    tensors = _proved(there / _MODEL, digest)
    if manifest.frozen is not None:
        own = frozen_file(folder.resolve().parent.parent, manifest.frozen)
        if not is_file(own):
            help = "copy a run with all that it holds, or export it: `archspec export RUN --to safetensors`"
            raise WeightsError(f"'{folder}' leaves out what its run never changed, and '{own}' is not there", help=help)
        tensors = {**_proved(own, manifest.frozen), **tensors}
        digest = hashlib.sha256((digest + manifest.frozen).encode()).hexdigest()
    preprocessing = KnownPreprocessing(manifest.preprocessing, "stated by the run's manifest", stated=True)
    return WeightsSource(f"'{folder}'", tensors, digest, notes, manifest.classes, preprocessing, ordered=False)


def _proved(path: Path, expected: str) -> Mapping[str, Tensor]:
    """The tensors of a file, after its SHA-256 was compared."""
    if _sha256(path) != expected:
        help = "use another checkpoint of the run, or train again"
        raise WeightsError(f"'{path}' is damaged: its SHA-256 is not the manifest's", help=help)
    return find_state(read_content(path).content, f"'{path}'").tensors


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
