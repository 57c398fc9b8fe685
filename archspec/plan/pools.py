"""Operations that pool a map over windows. None has parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from archspec.plan.operations import ImpossibleShape, Operation, Shape, need_map, strided


@dataclass(frozen=True)
class Pool(Operation):
    """Maximum or average over a square window.

    Padding never wins a maximum, nor counts in TensorFlow's average. With `zeros` it does: a maximum is padded as by
    `symmetric`, and an average as by `tensorflow`.
    """

    mode: str
    kernel: int
    stride: int
    padding: str = "symmetric"

    maker: ClassVar[str] = "archspec.network.pools:pool"

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        need_map(shape, "a pool")
        zeros = "symmetric" if self.mode == "max" else "tensorflow"
        padding = zeros if self.padding == "zeros" else self.padding
        height, width = (strided(s, self.kernel, self.stride, 1, padding, fixed=True) for s in shape[1:])
        return (shape[0], height, width)

    def window(self) -> tuple[int, int]:
        return self.kernel, self.stride


@dataclass(frozen=True)
class BlurPool(Operation):
    """Every `stride`-th pixel of the map behind a 3x3 binomial filter, the map mirrored at its edges.  Zhang 2019.

    The filter is fixed; its multiply-adds are those of a depthwise convolution, which it is.
    """

    stride: int

    maker: ClassVar[str] = "archspec.network.pools:blur_pool"
    output_needed: ClassVar[bool] = False
    kernel: ClassVar[int] = 3
    padding: ClassVar[int] = 1
    """Pixels on each side, whatever the stride: as many outputs as a 3x3 convolution has, beside which it stands."""

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        need_map(shape, "a pool")
        if min(shape[1:]) <= self.padding:
            size = "x".join(map(str, shape[1:]))
            raise ImpossibleShape(f"a map of {size} px cannot be mirrored {self.padding} px at its edges", "antialias")
        height, width = ((s + 2 * self.padding - self.kernel) // self.stride + 1 for s in shape[1:])
        return (shape[0], height, width)

    def macs(self, output: Shape) -> int:
        return math.prod(output) * self.kernel**2

    def window(self) -> tuple[int, int]:
        return self.kernel, self.stride


@dataclass(frozen=True)
class GlobalAveragePool(Operation):
    """The mean of every channel: (C, H, W) -> (C,). It rescales the whole map, so it adds no receptive field."""

    maker: ClassVar[str] = "archspec.network.pools:global_average_pool"

    @property
    def input_needed(self) -> bool:
        return False

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        need_map(shape, "global pooling")
        return shape[:1]
