"""Compares a network with its peer in another library: the same tensors, the same images, the same outputs?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from archspec.errors import WeightsError
from archspec.network.compile import Network
from archspec.plan.plan import Plan
from archspec.weights.keymaps import foreign_names
from archspec.weights.pairing import COUNTER
from archspec.weights.rows import reshaped

TOLERANCE = 1e-4
"""Of the largest difference, as a share of the largest output: float32 sums that are added up in another order."""


@dataclass(frozen=True)
class Comparison:
    """How far the outputs of two networks are apart."""

    images: int
    absolute: float
    """The largest difference of two logits."""
    scale: float
    """The peer's largest output."""
    agreeing: int
    """Images whose highest logit is the same."""
    tolerance: float

    @property
    def relative(self) -> float:
        """`absolute / scale`."""
        return self.absolute / self.scale if self.scale else self.absolute

    @property
    def equal(self) -> bool:
        """Whether they are as close as asked. What is no number is not."""
        return self.relative <= self.tolerance and self.agreeing == self.images

    def record(self) -> dict[str, Any]:
        return {**asdict(self), "relative": self.relative, "equal": self.equal}


def compare_outputs(
    ours: Network, theirs: nn.Module, *, images: int = 4, seed: int = 0, tolerance: float = TOLERANCE
) -> Comparison:
    """Run both on images of normal noise, in evaluation mode."""
    pixels = torch.randn(images, *ours.plan.input, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        mine, other = ours.eval()(pixels), theirs.eval()(pixels)
    if mine.shape != other.shape:
        raise WeightsError(f"the outputs have the shapes {tuple(mine.shape)} and {tuple(other.shape)}")
    return compare_tensors(mine, other, tolerance)


def compare_tensors(ours: Tensor, theirs: Tensor, tolerance: float = TOLERANCE) -> Comparison:
    """How far two outputs (B, classes) are apart."""
    absolute, scale = (float(values.abs().max()) for values in (ours - theirs, theirs))
    agreeing = int((ours.argmax(1) == theirs.argmax(1)).sum())
    return Comparison(len(ours), absolute, scale, agreeing, tolerance)


def fill_peer(peer: nn.Module, plan: Plan, tensors: Mapping[str, Tensor], source: str) -> str:
    """Put a file's tensors, or a plan's under our names, into a peer, whole or not at all; says whose names they had.

    Raises:
        WeightsError: a tensor of the peer is missing, of another shape, or one is left over.

    """
    own = peer.state_dict()
    naming, names = "its own", {name: name for name in tensors}
    if not set(own) & set(tensors):
        naming, names = max(foreign_names(plan), key=lambda candidate: len(set(candidate[1].values()) & set(own)))
    given = {names.get(name, name): tensor for name, tensor in tensors.items()}
    given = {
        name: reshaped(tensor, tuple(own[name].shape)) if name in own else tensor for name, tensor in given.items()
    }
    missing = [name for name in own if name not in given and not name.endswith(COUNTER)]
    unknown = [name for name in given if name not in own]
    wrong = [
        f"{name}: {tuple(tensor.shape)} there, {tuple(own[name].shape)} in the peer"
        for name, tensor in given.items()
        if name in own and tensor.shape != own[name].shape
    ]
    faults = [
        f"{len(found)} {what}: {', '.join(found[:3])}{', ...' if len(found) > 3 else ''}"
        for what, found in (("missing", missing), ("of another shape", wrong), ("unknown", unknown))
        if found
    ]
    if faults:
        raise WeightsError(f"{source} does not fit the peer: {'; '.join(faults)}")
    peer.load_state_dict({**{name: own[name] for name in own if name not in given}, **given})
    return naming
