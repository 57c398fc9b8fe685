"""Puts weights into a network and accounts for every tensor: nothing is skipped silently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from archspec.errors import WeightsError
from archspec.network.compile import Network
from archspec.weights.files import read_tensors, state_tensors
from archspec.weights.keymaps import foreign_names

_COUNTER = "num_batches_tracked"
"""Files older than torch 0.4.1 lack it, and nothing but a momentum of None reads it."""


@dataclass(frozen=True)
class LoadedWeights:
    """What was loaded: whose names the file used, and the tensors that were copied."""

    naming: str
    copied: tuple[str, ...]


def load_weights(network: Network, weights: Path | str | Mapping[str, Tensor]) -> LoadedWeights:
    """Copy weights into `network`: a file, or a state dict, with archspec's, torchvision's or timm's names.

    Every tensor of the network must be there with its shape, and every tensor there must have its place.

    Raises:
        WeightsError: the file cannot be read, or its tensors are not those of the network.

    """
    if network.folded:
        help = "load them into the whole network, and compile with `state=network.state_dict(), fold=True`"
        raise WeightsError("a folded network has no batch norms to load into", help=help)
    if isinstance(weights, Path | str):
        source, tensors = f"'{weights}'", read_tensors(Path(weights))
    else:
        source, tensors = "the state dict", state_tensors(weights, "the state dict")
    ours = [name for name, _, _ in network.plan.tensors()]
    naming, names = max(
        (("archspec", {name: name for name in ours}), *foreign_names(network.plan)),
        key=lambda candidate: sum(theirs in tensors for theirs in candidate[1].values()),
    )
    shapes = {name: shape for name, shape, _ in network.plan.tensors()}
    renamed = {
        name: _reshaped(tensors.pop(theirs), shapes[name]) for name, theirs in names.items() if theirs in tensors
    }
    _refuse(network, source, renamed, unused=tensors)
    own = network.state_dict()
    copied = [name for name in own if name in renamed]
    for name in copied:
        own[name].copy_(renamed[name])
    return LoadedWeights(naming, tuple(copied))


def _reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A linear layer's matrix as the 1x1 convolution that it is, a factor (C, 1, 1) as (C,); any other as it is."""
    same = tuple(size for size in tensor.shape if size != 1) == tuple(size for size in shape if size != 1)
    return tensor.reshape(shape) if same else tensor


def _refuse(network: Network, source: str, found: Mapping[str, Tensor], unused: Iterable[str]) -> None:
    shapes = {name: shape for name, shape, _ in network.plan.tensors()}
    inside = {step.name for step in network.steps}  # a network that was cut needs its own part
    needed = [name for name in shapes if name.rpartition(".")[0] in inside]
    missing = [name for name in needed if name not in found and not name.endswith(_COUNTER)]
    wrong = [
        f"{name}: {tuple(found[name].shape)} there, {shapes[name]} here"
        for name in needed
        if name in found and tuple(found[name].shape) != shapes[name]
    ]
    faults = [
        f"{len(names)} {what}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
        for what, names in (("missing", missing), ("of another shape", wrong), ("unknown", list(unused)))
        if names
    ]
    if faults:
        raise WeightsError(f"{source} does not fit {network.plan.name}: {'; '.join(faults)}")
