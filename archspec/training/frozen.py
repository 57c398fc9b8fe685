"""The tensors that a run never changes: written once beside its checkpoints, and compared at the end."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from archspec.errors import RunError
from archspec.files import write_bytes
from archspec.finetuning.freezing import Freezing
from archspec.finetuning.treatment import statistics
from archspec.network.compile import Network
from archspec.weights.files import frozen_file


def unmoved(freezing: Freezing) -> frozenset[str]:
    """The tensors that no epoch changes: parameters that never train, and statistics that never move."""
    names = set(freezing.never)
    modes = [statistics(freezing.plan, phase.treatments) for phase in freezing.phases]
    for step in freezing.plan.steps:
        if step.name in modes[0] and all(mode[step.name] in ("eval", "batch") for mode in modes):
            names.update(f"{step.name}.{buffer}" for buffer in step.operation.buffers())
    return frozenset(names)


@dataclass(frozen=True)
class Frozen:
    """What a run never changes, as it is in the run's folder."""

    tensors: dict[str, Tensor]
    sha256: str


def keep_frozen(folder: Path, network: Network, freezing: Freezing) -> Frozen | None:
    """Write what a run never changes into its folder; None where it changes everything.

    Raises:
        RunError: it cannot be written.

    """
    names = unmoved(freezing)
    own = network.state_dict()
    tensors = {name: own[name].detach().to("cpu", copy=True).contiguous() for name in own if name in names}
    if not tensors:
        return None
    content = save(tensors)
    digest = hashlib.sha256(content).hexdigest()
    path = frozen_file(folder, digest)
    try:
        write_bytes(path, content)
    except OSError as error:
        raise RunError(f"'{path}' cannot be written: {error.strerror or error}") from error
    return Frozen(tensors, digest)


def prove_frozen(network: Network, frozen: Frozen) -> int:
    """Compare a network with what it began with; returns how many numbers are the same, to the bit.

    Raises:
        RunError: one was changed.

    """
    own = network.state_dict()
    for name, value in frozen.tensors.items():
        if not torch.equal(own[name].cpu(), value):
            raise RunError(f"'{name}' was frozen, and has changed: this is a fault of archspec or of a plugin")
    return sum(value.numel() for value in frozen.tensors.values())
