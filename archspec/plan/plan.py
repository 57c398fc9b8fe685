"""The plan: a residual network written down once, as a flat list of named operations.

Every feature reads this. Values are numbered: 0 is the network's input, `i + 1` is what step `i` makes. Names are
dotted, so the scopes (stem, stages, a stage, a block, its shortcut) are prefixes of them, and tensor names are a step's
name and the tensor's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from archspec.errors import CutError
from archspec.plan.operations import Operation, Shape

SOFTMAX = "softmax"
"""The name of the block that turns logits into probabilities, where the spec asks for it."""

Role = Literal["main", "shortcut", "gate"]
"""`main` is the path that papers draw; shortcuts and gates count for cost, and not for depth."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation at work: `inputs` are value numbers, `output` is the shape it makes."""

    name: str
    operation: Operation
    inputs: tuple[int, ...]
    output: Shape
    role: Role = "main"

    @property
    def parameters(self) -> int:
        return sum(map(math.prod, self.operation.parameters().values()))

    @property
    def macs(self) -> int:
        return self.operation.macs(self.output)

    @property
    def window(self) -> tuple[int, int]:
        """How many values it sees along an axis, and their stride; a gate sees one: it rescales, and adds no field."""
        return self.operation.window() if self.role != "gate" else (1, 1)


@dataclass(frozen=True, slots=True)
class Block:
    """A run of steps with one input and one output; networks are cut between blocks."""

    name: str
    kind: str
    start: int
    stop: int
    """Its steps are `plan.steps[start:stop]`."""
    input: int
    output: int
    """The values that enter and leave it."""


@dataclass(frozen=True)
class Part:
    """The figures of one part of a network: the stem, a stage, the head."""

    name: str
    block: str
    repeats: int
    output: Shape
    parameters: int
    macs: int
    receptive_field: int


@dataclass(frozen=True)
class Plan:
    """A residual network, planned: every shape is known to be possible."""

    name: str
    input: Shape
    init: str
    steps: tuple[Step, ...]
    blocks: tuple[Block, ...]

    def __deepcopy__(self, memo: object) -> Plan:
        return self  # nothing in it can change

    def shape(self, value: int) -> Shape:
        """The shape of a value."""
        return self.steps[value - 1].output if value else self.input

    @property
    def output(self) -> Shape:
        """The shape that the network returns for one sample."""
        return self.shape(self.blocks[-1].output)

    @cached_property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(step.parameters for step in self.steps)

    @cached_property
    def macs(self) -> int:
        """Multiply-adds of convolutions and linear layers for one image."""
        return sum(step.macs for step in self.steps)

    @cached_property
    def activation_memory(self) -> int:
        """Bytes that training keeps for the backward pass, for one image in float32.

        4 bytes times the elements of every step's output that a backward pass reads: its own step's (a ReLU's), or that
        of a step behind it (a convolution's). What is overwritten in place is read by none. The image itself, weights,
        and small change (the indices of a maximum, a mask, a batch's statistics) are not counted.
        """
        kept = {number for number, step in enumerate(self.steps, start=1) if step.operation.output_needed}
        for step in self.steps:
            if step.operation.input_needed:
                kept.update(self._stored(value) for value in step.inputs)
        return 4 * sum(math.prod(self.shape(value)) for value in kept if value)

    def _stored(self, value: int) -> int:
        """The value in whose memory a value lies: its own, but for a slice's."""
        while value and self.steps[value - 1].operation.shares_input == "always":
            value = self.steps[value - 1].inputs[0]
        return value

    @cached_property
    def depth(self) -> int:
        """Weighted layers on the longest main path: the number in a network's name."""
        depths = [0]
        for step in self.steps:
            counted = step.operation.weighted and step.role == "main"
            depths.append(max(depths[value] for value in step.inputs) + counted)
        return depths[-1]

    @cached_property
    def _views(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """For each value, how many input pixels it can depend on, and how many lie between two of its own."""
        fields, jumps = [1], [1]
        for step in self.steps:
            field = max(fields[value] for value in step.inputs)
            jump = max(jumps[value] for value in step.inputs)
            window, stride = step.window
            fields.append(field + (window - 1) * jump)
            jumps.append(jump * stride)
        return tuple(fields), tuple(jumps)

    @property
    def receptive_fields(self) -> tuple[int, ...]:
        """For each value, how many input pixels along an axis it can depend on."""
        return self._views[0]

    @property
    def total_stride(self) -> int:
        """Input pixels between two neighbours of the last map."""
        return self._views[1][-1]

    @property
    def receptive_field(self) -> int:
        """Input pixels along an axis that one pixel of the last map can depend on."""
        return self.receptive_fields[-1]

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The figures of the stem, every stage and the head, in order."""
        grouped: dict[str, list[Block]] = {}
        for block in self.blocks:
            name = block.name.rpartition(".")[0] if block.name.startswith("stages.") else block.name
            grouped.setdefault(name, []).append(block)
        return tuple(self._part(name, blocks) for name, blocks in grouped.items())

    @property
    def stages(self) -> tuple[Part, ...]:
        """The figures of every stage."""
        return tuple(part for part in self.parts if part.name.startswith("stages."))

    def _part(self, name: str, blocks: list[Block]) -> Part:
        steps = self.steps[blocks[0].start : blocks[-1].stop]
        return Part(
            name=name,
            block=blocks[0].kind,
            repeats=len(blocks),
            output=self.shape(blocks[-1].output),
            parameters=sum(step.parameters for step in steps),
            macs=sum(step.macs for step in steps),
            receptive_field=self.receptive_fields[blocks[-1].output],
        )

    def tensors(self) -> Iterator[tuple[str, Shape, bool]]:
        """Every tensor in the order of the state dict: its name, its shape, and whether it is trained."""
        for step in self.steps:
            for name, shape, trained in step.operation.tensors():
                yield f"{step.name}.{name}", shape, trained

    def border(self, name: str) -> int:
        """The position in `blocks` of a block, or of a stage's first block: where a network can be cut.

        Raises:
            CutError: nothing has that name.

        """
        for position, block in enumerate(self.blocks):
            if block.name == name or block.name.startswith(f"{name}."):
                return position
        help = f"blocks: {', '.join(block.name for block in self.blocks)}"
        raise CutError(f"'{name}' is no block of {self.name}", help=help)

    def cut(self, name: str) -> int:
        """The number of the step at which a network can be cut: a block's or a stage's first, or a step by its name.

        Raises:
            CutError: nothing has that name, or more than one value passes there.

        """
        for number, step in enumerate(self.steps):
            if step.name == name:
                if len(self.passing(number)) == 1:
                    return number
                raise CutError(f"{self.name} cannot be cut at '{name}': more than one value passes there")
        return self.blocks[self.border(name)].start

    def passing(self, number: int) -> tuple[int, ...]:
        """The values made before a step that it or a later one reads; where it is one, a network can be cut."""
        read = {value for step in self.steps[number:] for value in step.inputs if value <= number}
        return tuple(sorted(read or {number}))

    @property
    def logits_end(self) -> str | None:
        """Where to cut for logits: before a softmax at the end, or None where there is none."""
        return SOFTMAX if self.blocks[-1].name == SOFTMAX else None
