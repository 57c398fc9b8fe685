"""How torch makes the activation."""

from __future__ import annotations

from torch import Tensor, nn

from .activation import SquaredReLU


class SquaredReLUModule(nn.Module):
    """The squared ReLU."""

    def __init__(self, operation: SquaredReLU) -> None:
        super().__init__()
        self.scale = operation.scale

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        return self.scale * x.relu().square()
