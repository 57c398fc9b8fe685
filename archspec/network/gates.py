"""How torch makes the operations that normalise, gate or rescale channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archspec.plan import gates as op


class LayerNorm(nn.LayerNorm):
    """Layer normalisation of the channels, of a map's pixels or of a vector."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), or (B, C) -> (B, C)."""
        if x.ndim == 2:
            return super().forward(x)
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Scale(nn.Module):
    """A trained factor for each channel."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), start))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x * self.weight.view(1, -1, 1, 1)


class ChannelMean(nn.Module):
    """The mean of every channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 1, 1)."""
        return x.mean((2, 3), keepdim=True)


class ChannelConv(nn.Conv1d):
    """One convolution along the channels."""

    def __init__(self, kernel: int) -> None:
        super().__init__(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, 1, 1) -> (B, C, 1, 1)."""
        return super().forward(x.flatten(1).unsqueeze(1)).view_as(x)


class Multiply(nn.Module):
    """A map times a gate."""

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        """(B, C, H, W), (B, C, 1, 1) -> (B, C, H, W)."""
        return x * gate


def batch_norm(operation: op.BatchNorm) -> nn.Module:
    return nn.BatchNorm2d(operation.channels, eps=operation.eps, momentum=operation.momentum)


def group_norm(operation: op.GroupNorm) -> nn.Module:
    return nn.GroupNorm(operation.groups, operation.channels, operation.eps)


def layer_norm(operation: op.LayerNorm) -> nn.Module:
    return LayerNorm(operation.channels, operation.eps)


def scale(operation: op.Scale) -> nn.Module:
    return Scale(operation.channels, operation.start)


def channel_mean(operation: op.ChannelMean) -> nn.Module:
    return ChannelMean()


def channel_conv(operation: op.ChannelConv) -> nn.Module:
    return ChannelConv(operation.kernel)


def multiply(operation: op.Multiply) -> nn.Module:
    return Multiply()
