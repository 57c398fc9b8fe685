"""The operation: a convolution and its adapter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from archspec import Conv, Operation

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LoraConv(Operation):
    """conv(x) + (alpha / rank) conv1x1(conv'(x)), where conv' is like conv, and makes `rank` channels."""

    conv: Conv
    rank: int
    alpha: float

    maker: ClassVar[str] = "archspec_lora.modules:make_conv"
    weighted: ClassVar[bool] = True
    output_needed: ClassVar[bool] = False

    @property
    def added(self) -> dict[str, Shape]:
        """The adapter's tensors."""
        kernel = self.conv.kernel
        return {
            "down.weight": (self.rank, self.conv.in_channels, kernel, kernel),
            "up.weight": (self.conv.out_channels, self.rank, 1, 1),
        }

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.conv.output_shape(*inputs)

    def parameters(self) -> dict[str, Shape]:
        return self.conv.parameters() | self.added

    def macs(self, output: Shape) -> int:
        pixels = math.prod(output[1:])
        return self.conv.macs(output) + pixels * sum(map(math.prod, self.added.values()))

    def window(self) -> tuple[int, int]:
        return self.conv.window()
