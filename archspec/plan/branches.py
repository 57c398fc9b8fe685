"""Operations where paths of a network part, are dropped, and join. None has parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from archspec.plan.operations import ImpossibleShape, Operation, Shape, strided


@dataclass(frozen=True)
class Add(Operation):
    """The sum of two equal shapes."""

    inplace: bool = False

    maker: ClassVar[str] = "archspec.network.branches:add"
    output_needed: ClassVar[bool] = False

    @property
    def input_needed(self) -> bool:
        return False

    def output_shape(self, *inputs: Shape) -> Shape:
        first, second = inputs
        if first != second:
            odd = "of an odd side, one path makes more than the other: give `input.size` a multiple of 32"
            help = odd if first[:1] == second[:1] else None
            raise ImpossibleShape(f"shapes {first} and {second} cannot be added", help=help)
        return first


@dataclass(frozen=True)
class PaddedIdentity(Operation):
    """Every `stride`-th pixel, with channels of zeros behind the input's own.  He et al. 2015, shortcut A."""

    in_channels: int
    out_channels: int
    stride: int

    maker: ClassVar[str] = "archspec.network.branches:padded_identity"
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
class Slice(Operation):
    """The channels `start` to `stop`."""

    start: int
    stop: int

    maker: ClassVar[str] = "archspec.network.branches:slice_channels"
    output_needed: ClassVar[bool] = False
    shares_input: ClassVar[Literal["always"]] = "always"

    @property
    def input_needed(self) -> bool:
        return False

    def output_shape(self, *inputs: Shape) -> Shape:
        (shape,) = inputs
        if not 0 <= self.start < self.stop <= shape[0]:
            raise ImpossibleShape(f"channels {self.start} to {self.stop} cannot be taken from {shape[0]}")
        return (self.stop - self.start, *shape[1:])


@dataclass(frozen=True)
class Concat(Operation):
    """The channels of all its inputs, one after another."""

    maker: ClassVar[str] = "archspec.network.branches:concat"
    output_needed: ClassVar[bool] = False

    @property
    def input_needed(self) -> bool:
        return False

    def output_shape(self, *inputs: Shape) -> Shape:
        if len({shape[1:] for shape in inputs}) > 1:
            raise ImpossibleShape(f"maps of {' and '.join(map(str, inputs))} cannot be concatenated")
        return (sum(shape[0] for shape in inputs), *inputs[0][1:])


@dataclass(frozen=True)
class DropPath(Operation):
    """Zeroes the whole path for a share of the images while training, and scales the rest up.  Huang et al. 2016."""

    rate: float

    maker: ClassVar[str] = "archspec.network.branches:drop_path"
    output_needed: ClassVar[bool] = False
    shares_input: ClassVar[Literal["evaluation"]] = "evaluation"

    @property
    def input_needed(self) -> bool:
        return False


@dataclass(frozen=True)
class Dropout(Operation):
    """Zeroes a share of the features while training.  Srivastava et al. 2014."""

    rate: float

    maker: ClassVar[str] = "archspec.network.branches:dropout"
    shares_input: ClassVar[Literal["evaluation"]] = "evaluation"

    @property
    def input_needed(self) -> bool:
        return False
