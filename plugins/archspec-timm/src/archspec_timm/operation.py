"""The operation: a stage of timm's, which knows what torch says of it. torch and timm load when it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archspec import ImpossibleShape, Operation

if TYPE_CHECKING:
    from archspec_timm.stages import Measured

Shape = tuple[int, ...]


@dataclass(frozen=True)
class TimmStage(Operation):
    """From one feature map of a network of timm's to the next: (C, H, W) -> (C', H', W')."""

    model: str
    stage: int
    input: Shape
    """Its multiply-adds are those of this map: of the output alone they could not be told."""

    maker: ClassVar[str] = "archspec_timm.stages:make_stage"
    weighted: ClassVar[bool] = True

    @property
    def what(self) -> str:
        return f"stage {self.stage} of '{self.model}'"

    @property
    def measured(self) -> Measured:
        from archspec_timm.stages import measure_stage

        return measure_stage(self.model, self.stage, self.input)

    @property
    def stride(self) -> int:
        return self.measured.stride

    def output_shape(self, *inputs: Shape) -> Shape:
        if inputs != (self.input,):
            raise ImpossibleShape(f"{self.what} was measured on {self.input}, not on {inputs[0]}")
        return self.measured.output

    def parameters(self) -> dict[str, Shape]:
        return {name: shape for name, shape, trained in self.measured.tensors if trained}

    def buffers(self) -> dict[str, Shape]:
        return {name: shape for name, shape, trained in self.measured.tensors if not trained}

    def tensors(self) -> list[tuple[str, Shape, bool]]:
        return list(self.measured.tensors)

    def macs(self, output: Shape) -> int:
        return self.measured.macs

    def window(self) -> tuple[int, int]:
        """All of the map: a module does not say how far it sees, and an attention inside it sees everything."""
        return 2 * max(self.input[1:]) - 1, self.stride
