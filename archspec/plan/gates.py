"""Operations that normalise, gate or rescale channels. None of them adds receptive field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archspec.plan.operations import ImpossibleShape, Operation, Shape


@dataclass(frozen=True)
class Norm(Operation):
    """A normalisation with a scale and a shift for each channel; `zero_init` starts the scale at zero."""

    channels: int
    eps: float = 1e-5
    zero_init: bool = False

    output_needed: ClassVar[bool] = False

    def parameters(self) -> dict[str, Shape]:
        return {"weight": (self.channels,), "bias": (self.channels,)}


@dataclass(frozen=True)
class BatchNorm(Norm):
    """Batch normalisation over (B, H, W).  Ioffe and Szegedy 2015.

    `momentum` is torch's: the share of the new batch in the running statistics.
    """

    momentum: float = 0.1

    maker: ClassVar[str] = "archspec.network.gates:batch_norm"

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        if len(shape) != 3:
            message = f"batch normalisation needs a map (C, H, W), not a vector of {shape[0]}: take `norm: layer`"
            raise ImpossibleShape(message, "norm")
        return shape

    def buffers(self) -> dict[str, Shape]:
        return {"running_mean": (self.channels,), "running_var": (self.channels,), "num_batches_tracked": ()}


@dataclass(frozen=True)
class GroupNorm(Norm):
    """Normalisation over groups of channels.  Wu and He 2018."""

    groups: int = 32

    maker: ClassVar[str] = "archspec.network.gates:group_norm"

    def __post_init__(self) -> None:
        if self.channels % self.groups:
            message = f"channels (={self.channels}) must be divisible by the norm's groups (={self.groups})"
            raise ImpossibleShape(message, "norm")


@dataclass(frozen=True)
class LayerNorm(Norm):
    """Normalisation over the channels of each pixel.  Ba et al. 2016."""

    maker: ClassVar[str] = "archspec.network.gates:layer_norm"


@dataclass(frozen=True)
class Scale(Operation):
    """A trained factor for each channel, which starts small.  Touvron et al. 2021, layer scale."""

    channels: int
    start: float

    maker: ClassVar[str] = "archspec.network.gates:scale"
    output_needed: ClassVar[bool] = False

    def parameters(self) -> dict[str, Shape]:
        return {"weight": (self.channels,)}


@dataclass(frozen=True)
class ChannelMean(Operation):
    """The mean of every channel, kept a map: (C, H, W) -> (C, 1, 1)."""

    maker: ClassVar[str] = "archspec.network.gates:channel_mean"
    output_needed: ClassVar[bool] = False

    @property
    def input_needed(self) -> bool:
        return False

    def output_shape(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], 1, 1)


@dataclass(frozen=True)
class ChannelConv(Operation):
    """One convolution along the channels, shared by all: (C, 1, 1) -> (C, 1, 1).  Wang et al. 2020, ECA."""

    kernel: int

    maker: ClassVar[str] = "archspec.network.gates:channel_conv"
    weighted: ClassVar[bool] = True

    def parameters(self) -> dict[str, Shape]:
        return {"weight": (1, 1, self.kernel)}

    def macs(self, output: Shape) -> int:
        return self.kernel * output[0]


@dataclass(frozen=True)
class Multiply(Operation):
    """A map times a gate of its channels: (C, H, W), (C, 1, 1) -> (C, H, W)."""

    maker: ClassVar[str] = "archspec.network.gates:multiply"
    output_needed: ClassVar[bool] = False
