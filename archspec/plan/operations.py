"""The operations a plan is made of: what each one makes of shapes, and what it costs. No torch here.

An operation says its output shape, its tensors, its multiply-adds and the window it looks through; `maker` names the
function that makes it in torch, imported when a network is compiled. A plugin adds an operation by deriving from
`Operation`.

Shapes are those of one sample: `(C, H, W)` for a map, `(F,)` for a vector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

Shape = tuple[int, ...]


class ImpossibleShape(ValueError):  # noqa: N818
    """No such tensor can exist. `option` names the option of the block that is to blame, where one is."""

    def __init__(self, message: str, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True)
class Operation:
    """One operation. The defaults are those of an element-wise operation without tensors."""

    maker: ClassVar[str]
    """`package.module:function`; called with the operation, it returns the `torch.nn.Module`."""
    weighted: ClassVar[bool] = False
    """Whether papers count it as a layer."""
    output_needed: ClassVar[bool] = True
    """Whether its own backward pass reads its output; if not, the next operation may overwrite it."""

    @property
    def input_needed(self) -> bool:
        """Whether its own backward pass reads its inputs; what no backward pass reads, training need not keep."""
        return True

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape it makes. Raises `ImpossibleShape` where there is none."""
        return inputs[0]

    def parameters(self) -> dict[str, Shape]:
        """Its trained tensors, in the order torch registers them."""
        return {}

    def buffers(self) -> dict[str, Shape]:
        """Its tensors that are not trained."""
        return {}

    def macs(self, output: Shape) -> int:
        """Multiply-adds for one sample. Convolutions and linear layers have them, as papers count."""
        return 0

    def window(self) -> tuple[int, int]:
        """How many input pixels an output pixel sees along an axis, and the pixels between two neighbours."""
        return 1, 1


def strided(size: int, kernel: int, stride: int, dilation: int, padding: str, *, fixed: bool = False) -> int:
    """The output size along one axis of a convolution or pool.

    `symmetric`: floor((size + 2 * (kernel // 2) * dilation - extent) / stride) + 1; `tensorflow`: ceil(size / stride);
    `valid`: no padding. `fixed`: the window is not the user's to choose, so no option is blamed.
    """
    if stride > size:
        raise ImpossibleShape(
            f"a stride of {stride} makes a map below 1 px of one of {size} px", None if fixed else "strides"
        )
    if padding == "tensorflow":
        return math.ceil(size / stride)
    pad = dilation * (kernel // 2) if padding == "symmetric" else 0
    extent = dilation * (kernel - 1) + 1
    if extent > size + 2 * pad:
        raise ImpossibleShape(f"a window of {extent} px does not fit a map of {size} px", None if fixed else "kernel")
    return (size + 2 * pad - extent) // stride + 1


def _need_map(shape: Shape, what: str) -> None:
    if len(shape) != 3:
        raise ImpossibleShape(f"{what} needs a map (C, H, W), not a vector of {shape[0]}")


@dataclass(frozen=True)
class Conv(Operation):
    """Two-dimensional convolution with a square kernel."""

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    dilation: int = 1
    padding: str = "symmetric"
    bias: bool = False

    maker: ClassVar[str] = "archspec.network.layers:conv"
    weighted: ClassVar[bool] = True
    output_needed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, channels in (("input", self.in_channels), ("output", self.out_channels)):
            if channels % self.groups:
                raise ImpossibleShape(
                    f"{name} channels (={channels}) must be divisible by groups (={self.groups})", "groups"
                )

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        _need_map(shape, "a convolution")
        height, width = (strided(s, self.kernel, self.stride, self.dilation, self.padding) for s in shape[1:])
        return (self.out_channels, height, width)

    def parameters(self) -> dict[str, Shape]:
        weight = (self.out_channels, self.in_channels // self.groups, self.kernel, self.kernel)
        return {"weight": weight, **({"bias": (self.out_channels,)} if self.bias else {})}

    def macs(self, output: Shape) -> int:
        return math.prod(output) * (self.in_channels // self.groups) * self.kernel**2

    def window(self) -> tuple[int, int]:
        return self.dilation * (self.kernel - 1) + 1, self.stride


_FROM_OUTPUT = frozenset({"ELU", "LeakyReLU", "ReLU", "Sigmoid", "Tanh"})
"""Functions whose gradient torch takes from their output, in place at least."""


@dataclass(frozen=True)
class Activation(Operation):
    """An element-wise function. `function` is its class in `torch.nn`."""

    function: str = "ReLU"
    inplace: bool = False

    maker: ClassVar[str] = "archspec.network.layers:activation"

    @property
    def input_needed(self) -> bool:
        return self.function not in _FROM_OUTPUT


@dataclass(frozen=True)
class Pool(Operation):
    """Maximum or average over a square window."""

    mode: str
    kernel: int
    stride: int
    padding: str = "symmetric"

    maker: ClassVar[str] = "archspec.network.layers:pool"

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        _need_map(shape, "a pool")
        height, width = (strided(s, self.kernel, self.stride, 1, self.padding, fixed=True) for s in shape[1:])
        return (shape[0], height, width)

    def window(self) -> tuple[int, int]:
        return self.kernel, self.stride


@dataclass(frozen=True)
class GlobalAveragePool(Operation):
    """The mean of every channel: (C, H, W) -> (C,). It rescales the whole map, so it adds no receptive field."""

    maker: ClassVar[str] = "archspec.network.layers:global_average_pool"

    @property
    def input_needed(self) -> bool:
        return False

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        _need_map(shape, "global pooling")
        return shape[:1]


@dataclass(frozen=True)
class Linear(Operation):
    """Fully connected layer: (F,) -> (out_features,)."""

    in_features: int
    out_features: int
    bias: bool = True

    maker: ClassVar[str] = "archspec.network.layers:linear"
    weighted: ClassVar[bool] = True
    output_needed: ClassVar[bool] = False

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        if shape != (self.in_features,):
            raise ImpossibleShape(f"a linear layer over {self.in_features} features cannot take a shape of {shape}")
        return (self.out_features,)

    def parameters(self) -> dict[str, Shape]:
        weight = (self.out_features, self.in_features)
        return {"weight": weight, **({"bias": (self.out_features,)} if self.bias else {})}

    def macs(self, output: Shape) -> int:
        return self.in_features * self.out_features


@dataclass(frozen=True)
class Add(Operation):
    """The sum of two equal shapes."""

    inplace: bool = False

    maker: ClassVar[str] = "archspec.network.layers:add"
    output_needed: ClassVar[bool] = False

    @property
    def input_needed(self) -> bool:
        return False

    def output_shape(self, *inputs: Shape) -> Shape:
        first, second = inputs
        if first != second:
            raise ImpossibleShape(f"shapes {first} and {second} cannot be added")
        return first


@dataclass(frozen=True)
class PaddedIdentity(Operation):
    """Every `stride`-th pixel, with channels of zeros behind the input's own.  He et al. 2015, shortcut A."""

    in_channels: int
    out_channels: int
    stride: int

    maker: ClassVar[str] = "archspec.network.layers:padded_identity"
    output_needed: ClassVar[bool] = False

    @property
    def input_needed(self) -> bool:
        return False

    def __post_init__(self) -> None:
        if self.out_channels < self.in_channels:
            message = f"shortcut A pads channels, and cannot go from {self.in_channels} to {self.out_channels}: use B"
            raise ImpossibleShape(message, "shortcut")

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        height, width = (strided(s, 1, self.stride, 1, "valid") for s in shape[1:])
        return (self.out_channels, height, width)

    def window(self) -> tuple[int, int]:
        return 1, self.stride


@dataclass(frozen=True)
class Dropout(Operation):
    """Zeroes a share of the features while training.  Srivastava et al. 2014."""

    rate: float

    maker: ClassVar[str] = "archspec.network.layers:dropout"

    @property
    def input_needed(self) -> bool:
        return False


@dataclass(frozen=True)
class Softmax(Operation):
    """Probabilities over the classes."""

    maker: ClassVar[str] = "archspec.network.layers:softmax"

    @property
    def input_needed(self) -> bool:
        return False
