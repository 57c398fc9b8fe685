"""How torch pools."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archspec.network.layers import pad_same, same_padding
from archspec.plan import pools as op


class SamePool2d(nn.Module):
    """Pooling with TensorFlow's `same` padding: padding never wins a maximum, and never counts in an average."""

    def __init__(self, mode: str, kernel: int, stride: int) -> None:
        super().__init__()
        self.mode, self.kernel, self.stride = mode, kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, ceil(H/s), ceil(W/s))."""
        if self.mode == "max":
            return F.max_pool2d(pad_same(x, self.kernel, self.stride, 1, -torch.inf), self.kernel, self.stride)
        if not any(
            same_padding(x.shape[-2], self.kernel, self.stride) + same_padding(x.shape[-1], self.kernel, self.stride)
        ):
            return F.avg_pool2d(x, self.kernel, self.stride)
        covered = pad_same(torch.ones_like(x[:1, :1]), self.kernel, self.stride, 1, 0.0)
        share = F.avg_pool2d(covered, self.kernel, self.stride)
        return F.avg_pool2d(pad_same(x, self.kernel, self.stride, 1, 0.0), self.kernel, self.stride) / share

    def extra_repr(self) -> str:
        return f"{self.mode}, kernel_size={self.kernel}, stride={self.stride}, padding=same"


class ZeroPaddedAveragePool2d(nn.Module):
    """Average pooling with TensorFlow's `same` padding, whose zeros count, as timm's dilated ResNet-Ds have it."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, ceil(H/s), ceil(W/s))."""
        return F.avg_pool2d(pad_same(x, self.kernel, self.stride, 1, 0.0), self.kernel, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel}, stride={self.stride}"


class BlurPool2d(nn.Module):
    """A 3x3 binomial filter over every channel, strided; the map is mirrored at its edges."""

    filter: Tensor

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride
        row = torch.tensor([0.25, 0.5, 0.25])
        self.register_buffer("filter", (row[:, None] * row)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H/s, W/s)."""
        channels = x.shape[1]
        x = F.pad(x, [1] * 4, mode="reflect")
        return F.conv2d(x, self.filter.expand(channels, 1, 3, 3), stride=self.stride, groups=channels)

    def extra_repr(self) -> str:
        return f"stride={self.stride}"


class GlobalAveragePool2d(nn.Module):
    """The mean of every channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        return torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)


def pool(operation: op.Pool) -> nn.Module:
    o = operation
    if o.padding == "tensorflow":
        return SamePool2d(o.mode, o.kernel, o.stride)
    if o.padding == "zeros" and o.mode == "max":
        return nn.Sequential(nn.ZeroPad2d(o.kernel // 2), nn.MaxPool2d(o.kernel, o.stride))
    if o.padding == "zeros":
        return ZeroPaddedAveragePool2d(o.kernel, o.stride)
    padding = o.kernel // 2 if o.padding == "symmetric" else 0
    return (nn.MaxPool2d if o.mode == "max" else nn.AvgPool2d)(o.kernel, o.stride, padding)


def blur_pool(operation: op.BlurPool) -> nn.Module:
    return BlurPool2d(operation.stride)


def global_average_pool(operation: op.GlobalAveragePool) -> nn.Module:
    return GlobalAveragePool2d()
