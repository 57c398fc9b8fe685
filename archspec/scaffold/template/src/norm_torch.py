"""How torch makes the norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .norm import RootMeanSquare


class RootMeanSquareNorm(nn.Module):
    """Root-mean-square normalisation of the channels."""

    def __init__(self, operation: RootMeanSquare) -> None:
        super().__init__()
        start = 0.0 if operation.zero_init else 1.0
        self.eps, self.weight = operation.eps, nn.Parameter(torch.full((operation.channels,), start))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), or (B, C) -> (B, C)."""
        weight = self.weight.view(1, -1, *[1] * (x.ndim - 2))
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + self.eps) * weight
