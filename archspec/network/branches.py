"""How torch parts, drops and joins paths."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archspec.plan import branches as op


class Add(nn.Module):
    """The sum of two tensors; in place, the first one is overwritten."""

    def __init__(self, *, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, C, H, W), (B, C, H, W) -> (B, C, H, W)."""
        return x.add_(y) if self.inplace else x + y

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class PaddedIdentity(nn.Module):
    """Every `stride`-th pixel, with channels of zeros behind the input's own."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C + channels, ceil(H/s), ceil(W/s))."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.channels))

    def extra_repr(self) -> str:
        return f"channels={self.channels}, stride={self.stride}"


class Slice(nn.Module):
    """Some of the channels."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, stop - start, H, W)."""
        return x[:, self.start : self.stop]

    def extra_repr(self) -> str:
        return f"{self.start}:{self.stop}"


class Concat(nn.Module):
    """The channels of several maps, one after another."""

    def forward(self, *maps: Tensor) -> Tensor:
        """(B, C1, H, W), (B, C2, H, W), ... -> (B, C1 + C2 + ..., H, W)."""
        return torch.cat(maps, dim=1)


class DropPath(nn.Module):
    """Zeroes the path of a share of the images while training, and scales the rest up."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        if not self.training:
            return x
        kept = x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(1 - self.rate)
        return x * kept.div_(1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate:.4g}"


def add(operation: op.Add) -> nn.Module:
    return Add(inplace=operation.inplace)


def padded_identity(operation: op.PaddedIdentity) -> nn.Module:
    return PaddedIdentity(operation.out_channels - operation.in_channels, operation.stride)


def dropout(operation: op.Dropout) -> nn.Module:
    return nn.Dropout(operation.rate)


def slice_channels(operation: op.Slice) -> nn.Module:
    return Slice(operation.start, operation.stop)


def concat(operation: op.Concat) -> nn.Module:
    return Concat()


def drop_path(operation: op.DropPath) -> nn.Module:
    return DropPath(operation.rate)
