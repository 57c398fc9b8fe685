"""The module of a convolution with an adapter, and what takes the adapter into the convolution's own weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from archspec import Network
from archspec_lora.operation import LoraConv

if TYPE_CHECKING:
    from archspec import Conv


class LoraConv2d(nn.Conv2d):
    """A convolution and its adapter, which begins as nothing: `up` is zero."""

    def __init__(self, conv: Conv, rank: int, factor: float) -> None:
        padding = 0 if conv.padding == "valid" else conv.dilation * (conv.kernel // 2)
        shape = (conv.kernel, conv.stride, padding, conv.dilation)
        super().__init__(conv.in_channels, conv.out_channels, *shape, bias=conv.bias)
        self.down = nn.Conv2d(conv.in_channels, rank, *shape, bias=False)
        self.up = nn.Conv2d(rank, conv.out_channels, 1, bias=False)
        self.factor = factor
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C_out, H/s, W/s)."""
        added: Tensor = self.up(self.down(x))
        return super().forward(x) + self.factor * added


def make_conv(operation: LoraConv) -> nn.Module:
    return LoraConv2d(operation.conv, operation.rank, operation.alpha / operation.rank)


def merged_state(network: Network) -> dict[str, Tensor]:
    """The tensors of the network without adapters that makes the same of every image.

    W'[o, i] = W[o, i] + (alpha / rank) * the sum of up[o, r] * down[r, i] over r.
    """
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    for step in network.plan.steps:
        if isinstance(step.operation, LoraConv):
            down, up = (state.pop(f"{step.name}.{name}") for name in step.operation.added)
            added = torch.einsum("or,rikl->oikl", up[:, :, 0, 0].double(), down.double())
            weight = state[f"{step.name}.weight"]
            state[f"{step.name}.weight"] = (weight + step.operation.alpha / step.operation.rank * added).to(weight)
    return state
