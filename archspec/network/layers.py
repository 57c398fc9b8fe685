"""How torch makes each operation of a plan."""

from __future__ import annotations

import inspect

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archspec.plan import operations as op


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's `same`: the padding before and after, for ceil(size / stride) outputs. The odd pixel goes after."""
    outputs = (size + stride - 1) // stride
    total = max((outputs - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def _pad_same(x: Tensor, kernel: int, stride: int, dilation: int, value: float) -> Tensor:
    top, bottom = same_padding(x.shape[-2], kernel, stride, dilation)
    left, right = same_padding(x.shape[-1], kernel, stride, dilation)
    if top or bottom or left or right:
        return F.pad(x, (left, right, top, bottom), value=value)
    return x


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's `same` padding, whose amount depends on the input's size."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C_out, ceil(H/s), ceil(W/s))."""
        x = _pad_same(x, self.kernel_size[0], self.stride[0], self.dilation[0], 0.0)
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class SamePool2d(nn.Module):
    """Pooling with TensorFlow's `same` padding: padding never wins a maximum, and never counts in an average."""

    def __init__(self, mode: str, kernel: int, stride: int) -> None:
        super().__init__()
        self.mode, self.kernel, self.stride = mode, kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, ceil(H/s), ceil(W/s))."""
        if self.mode == "max":
            return F.max_pool2d(_pad_same(x, self.kernel, self.stride, 1, -torch.inf), self.kernel, self.stride)
        if not any(
            same_padding(x.shape[-2], self.kernel, self.stride) + same_padding(x.shape[-1], self.kernel, self.stride)
        ):
            return F.avg_pool2d(x, self.kernel, self.stride)
        covered = _pad_same(torch.ones_like(x[:1, :1]), self.kernel, self.stride, 1, 0.0)
        share = F.avg_pool2d(covered, self.kernel, self.stride)
        return F.avg_pool2d(_pad_same(x, self.kernel, self.stride, 1, 0.0), self.kernel, self.stride) / share

    def extra_repr(self) -> str:
        return f"{self.mode}, kernel_size={self.kernel}, stride={self.stride}, padding=same"


class GlobalAveragePool2d(nn.Module):
    """The mean of every channel."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C)."""
        return torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)


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


def conv(operation: op.Conv) -> nn.Module:
    o = operation
    asymmetric = o.padding == "tensorflow" and (o.stride > 1 or o.kernel % 2 == 0) and o.kernel > 1
    padding = 0 if o.padding == "valid" or asymmetric else o.dilation * (o.kernel // 2)
    make = SameConv2d if asymmetric else nn.Conv2d
    return make(o.in_channels, o.out_channels, o.kernel, o.stride, padding, o.dilation, o.groups, o.bias)


def activation(operation: op.Activation) -> nn.Module:
    function: type[nn.Module] = getattr(nn, operation.function)
    in_place = operation.inplace and "inplace" in inspect.signature(function).parameters  # GELU and Tanh have none
    return function(inplace=True) if in_place else function()


def pool(operation: op.Pool) -> nn.Module:
    o = operation
    if o.padding == "tensorflow":
        return SamePool2d(o.mode, o.kernel, o.stride)
    padding = o.kernel // 2 if o.padding == "symmetric" else 0
    return (nn.MaxPool2d if o.mode == "max" else nn.AvgPool2d)(o.kernel, o.stride, padding)


def global_average_pool(operation: op.GlobalAveragePool) -> nn.Module:
    return GlobalAveragePool2d()


def linear(operation: op.Linear) -> nn.Module:
    return nn.Linear(operation.in_features, operation.out_features, bias=operation.bias)


def add(operation: op.Add) -> nn.Module:
    return Add(inplace=operation.inplace)


def padded_identity(operation: op.PaddedIdentity) -> nn.Module:
    return PaddedIdentity(operation.out_channels - operation.in_channels, operation.stride)


def dropout(operation: op.Dropout) -> nn.Module:
    return nn.Dropout(operation.rate)


def softmax(operation: op.Softmax) -> nn.Module:
    return nn.Softmax(dim=1)
