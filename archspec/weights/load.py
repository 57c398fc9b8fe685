"""Puts weights into a network and accounts for every tensor: nothing is skipped silently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from archspec.errors import WeightsError
from archspec.network.compile import Network
from archspec.weights.pairing import COUNTER
from archspec.weights.plan import WeightsPlan, plan_weights


@dataclass(frozen=True)
class LoadedWeights:
    """What was loaded: whose names the file used, and the tensors that were copied."""

    naming: str
    copied: tuple[str, ...]


def apply_weights(network: Network, planned: WeightsPlan) -> LoadedWeights:
    """Copy what was planned into `network`, or into the part that it is; all else in it stays.

    Raises:
        WeightsError: the network is folded, or has other tensors than the one that was planned for.

    """
    if network.folded:
        help = "load them into the whole network, and compile with `state=network.state_dict(), fold=True`"
        raise WeightsError("a folded network has no batch norms to load into", help=help)
    if network.plan is not planned.plan and list(network.plan.tensors()) != list(planned.plan.tensors()):
        raise WeightsError(f"the weights were planned for {planned.plan.name}, and the network has other tensors")
    own = network.state_dict()
    rows = [row for row in planned.rows if row.name in own and row.value is not None]
    with torch.no_grad():
        for row in rows:
            assert row.value is not None
            target = own[row.name]
            if row.here is None:
                target.copy_(row.value)
            else:
                target[list(row.here)] = row.value.to(target)
    return LoadedWeights(planned.naming, tuple(row.name for row in rows))


def load_weights(network: Network, weights: Path | str | Mapping[str, Tensor]) -> LoadedWeights:
    """Copy weights into `network`: a file, or a state dict, with archspec's, torchvision's or timm's names.

    Every tensor of the network must be there with its shape, and every tensor there must have its place.

    Raises:
        WeightsError: the file cannot be read, or its tensors are not those of the network.

    """
    planned = plan_weights(network.plan, weights)
    refuse_inexact(planned, {step.name for step in network.steps})
    return apply_weights(network, planned)


def refuse_inexact(planned: WeightsPlan, inside: set[str] | None = None) -> None:
    """Refuse whatever is not copied as it is, and whatever is left over.

    `inside` names the steps of a network that was cut, which needs its own part alone.

    Raises:
        WeightsError: a tensor is missing, of another shape, or unknown.

    """
    rows = [row for row in planned.rows if inside is None or row.name.rpartition(".")[0] in inside]
    inexact = [row for row in rows if row.action != "copied"]
    missing = [row.name for row in inexact if row.theirs is None and not row.name.endswith(COUNTER)]
    wrong = [
        f"{row.name}: {row.their_shape} there, {row.shape} here"
        for row in inexact
        if row.their_shape not in (None, row.shape)
    ]
    faults = [
        f"{len(names)} {what}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
        for what, names in (("missing", missing), ("of another shape", wrong), ("unknown", list(planned.unused)))
        if names
    ]
    if faults:
        raise WeightsError(f"{planned.source} does not fit {planned.plan.name}: {'; '.join(faults)}")
