"""The operations a plan is made of: what each one makes of shapes, and what it costs. No torch here.

An operation says its output shape, its tensors, its multiply-adds and the window it looks through; `maker` names the
function that makes it in torch, imported when a network is compiled. A plugin adds an operation by deriving from
`Operation`.

Shapes are those of one sample: `(C, H, W)` for a map, `(F,)` for a vector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from archspec.errors import Refusal

Shape = tuple[int, ...]


class ImpossibleShape(Refusal):
    """No such tensor can exist.

    `option` names the option of the block that is to blame, where one is; `help` says how to mend it.
    """

    def __init__(self, message: str, option: str | None = None, *, help: str | None = None) -> None:
        super().__init__(message)
        self.option = option
        self.help = help


@dataclass(frozen=True)
class Operation:
    """One operation. The defaults are those of an element-wise operation without tensors."""

    maker: ClassVar[str]
    """`package.module:function`; called with the operation, it returns the `torch.nn.Module`."""
    weighted: ClassVar[bool] = False
    """Whether papers count it as a layer."""
    output_needed: ClassVar[bool] = True
    """Whether its own backward pass reads its output; if not, the next operation may overwrite it."""
    shares_input: ClassVar[Literal["never", "evaluation", "always"]] = "never"
    """Whether its output lies in its input's memory: as a slice's does, or in evaluation mode alone, as dropout's."""

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

    def tensors(self) -> list[tuple[str, Shape, bool]]:
        """All of them in the order of the state dict, and whether they are trained.

        torch has a layer's parameters before its buffers. An operation whose module has several layers says its order.
        """
        trained = [(name, shape, True) for name, shape in self.parameters().items()]
        return trained + [(name, shape, False) for name, shape in self.buffers().items()]

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
        message = f"a stride of {stride} makes a map below 1 px of one of {size} px"
        help = "give `input.size` more pixels, or a stage fewer `strides`"
        raise ImpossibleShape(message, None if fixed else "strides", help=help)
    if padding == "tensorflow":
        return math.ceil(size / stride)
    pad = dilation * (kernel // 2) if padding == "symmetric" else 0
    extent = dilation * (kernel - 1) + 1
    if extent > size + 2 * pad:
        raise ImpossibleShape(f"a window of {extent} px does not fit a map of {size} px", None if fixed else "kernel")
    return (size + 2 * pad - extent) // stride + 1


def need_map(shape: Shape, what: str) -> None:
    """Raise `ImpossibleShape` unless a shape is a map's."""
    if len(shape) != 3:
        raise ImpossibleShape(f"{what} needs a map (C, H, W), not a vector of {shape[0]}")


@dataclass(frozen=True)
class Conv(Operation):
    """Two-dimensional convolution with a square kernel.

    `standardized` is the epsilon of weight standardization: each filter is used less its mean, over its standard
    deviation.  Qiao et al. 2019.
    """

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    dilation: int = 1
    padding: str = "symmetric"
    bias: bool = False
    standardized: float | None = None

    maker: ClassVar[str] = "archspec.network.layers:conv"
    weighted: ClassVar[bool] = True
    output_needed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, channels in (("input", self.in_channels), ("output", self.out_channels)):
            if channels % self.groups:
                raise ImpossibleShape(
                    f"{name} channels (={channels}) must be divisible by groups (={self.groups})", "groups"
                )
        if self.standardized is not None and self.in_channels // self.groups * self.kernel**2 < 2:
            message = "a filter of one weight cannot be standardized: its standard deviation is zero"
            raise ImpossibleShape(message, "weight_standardization")

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        need_map(shape, "a convolution")
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
class Softmax(Operation):
    """Probabilities over the classes."""

    maker: ClassVar[str] = "archspec.network.layers:softmax"

    @property
    def input_needed(self) -> bool:
        return False
