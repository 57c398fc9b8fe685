"""How torch makes each operation of a plan."""

from __future__ import annotations

import inspect
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from archspec.plan import operations as op


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's `same`: the padding before and after, for ceil(size / stride) outputs. The odd pixel goes after."""
    outputs = (size + stride - 1) // stride
    total = max((outputs - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


def pad_same(x: Tensor, kernel: int, stride: int, dilation: int, value: float) -> Tensor:
    """Pad a map as TensorFlow's `same` does."""
    top, bottom = same_padding(x.shape[-2], kernel, stride, dilation)
    left, right = same_padding(x.shape[-1], kernel, stride, dilation)
    if top or bottom or left or right:
        return F.pad(x, (left, right, top, bottom), value=value)
    return x


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's `same` padding, whose amount depends on the input's size."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        x = pad_same(x, self.kernel_size[0], self.stride[0], self.dilation[0], 0.0)
        return cast(Tensor, super()._conv_forward(x, weight, bias))


class StandardizedConv2d(nn.Conv2d):
    """Convolution whose filters are used less their means, over their standard deviations.  Qiao et al. 2019."""

    eps: float

    def standardized_weight(self) -> Tensor:
        """(weight - mean) / sqrt(variance + eps) of each filter: torch's batch norm has it in one kernel."""
        filters = self.weight.reshape(1, self.out_channels, -1)
        return F.batch_norm(filters, None, None, training=True, momentum=0.0, eps=self.eps).reshape_as(self.weight)

    def without_standardization(self) -> nn.Conv2d:
        """A convolution of this shape that uses its weights as they are. They are not set."""
        make = SameConv2d if isinstance(self, SameConv2d) else nn.Conv2d
        shape = (self.in_channels, self.out_channels, self.kernel_size, self.stride, self.padding)
        plain = make(*shape, self.dilation, self.groups, self.bias is not None)  # type: ignore[arg-type]
        plain.bias = self.bias
        return plain

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C_out, H/s, W/s)."""
        return cast(Tensor, self._conv_forward(x, self.standardized_weight(), self.bias))


class StandardizedSameConv2d(StandardizedConv2d, SameConv2d):
    """Both."""


def conv(operation: op.Conv) -> nn.Module:
    o = operation
    asymmetric = o.padding == "tensorflow" and (o.stride > 1 or o.kernel % 2 == 0) and o.kernel > 1
    padding = 0 if o.padding == "valid" or asymmetric else o.dilation * (o.kernel // 2)
    shape = (o.in_channels, o.out_channels, o.kernel, o.stride, padding, o.dilation, o.groups, o.bias)
    if o.standardized is None:
        return (SameConv2d if asymmetric else nn.Conv2d)(*shape)
    module = (StandardizedSameConv2d if asymmetric else StandardizedConv2d)(*shape)
    module.eps = o.standardized
    return module


def activation(operation: op.Activation) -> nn.Module:
    function: type[nn.Module] = getattr(nn, operation.function)
    in_place = operation.inplace and "inplace" in inspect.signature(function).parameters  # GELU and Tanh have none
    return function(inplace=True) if in_place else function()


def linear(operation: op.Linear) -> nn.Module:
    return nn.Linear(operation.in_features, operation.out_features, bias=operation.bias)


def softmax(operation: op.Softmax) -> nn.Module:
    return nn.Softmax(dim=1)
