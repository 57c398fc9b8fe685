"""Which options each block of a stage gets: the stage's, with strides, dilation and drop path as its place has them."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.errors import Diagnostic, KeyPath, PlanError
from archspec.plan.builder import Builder
from archspec.spec.arch import ArchSpec
from archspec.spec.parts import BlockOptions, ResidualBlockOptions
from archspec.spec.settings import locate

_WHOLE = "a stage's strides stay or become dilation whole, and a stem's always stay"


class BlockSchedule:
    """Hands out the options of a network's blocks in order, while they are written.

    A stage's strides are its first block's. With `output_stride`, a stage that would stride beyond it keeps the map and
    is dilated instead: its first block sees what it would have seen, and all later ones lie as far apart as if the map
    had been strided.  Chen et al. 2017 (DeepLab), as torchvision and timm have it.
    """

    def __init__(self, spec: ArchSpec, net: Builder) -> None:
        self.spec = spec
        self.net = net
        self.dilation = 1
        """What the strides that were left out come to."""
        self.blocks = sum(stage.repeats for stage in spec.stages)
        self.written = 0

    def stage(self, index: int) -> Iterator[BlockOptions]:
        """The options of a stage's blocks, each drawn when the block before it is written."""
        stage = self.spec.stages[index]
        first = self._dilate(index, stage) if self.spec.output_stride else stage
        rest = first.model_copy(update={"strides": 1})
        if isinstance(rest, ResidualBlockOptions):
            rest = rest.model_copy(update={"first_dilation": None})
        for repeat in range(stage.repeats):
            yield self._drop(rest if repeat else first)
            self.written += 1

    def _dilate(self, index: int, stage: BlockOptions) -> BlockOptions:
        """A stage's options with the strides that `output_stride` leaves it; the rest of them become dilation."""
        limit = self.spec.output_stride
        assert limit is not None
        keeps = self.net.stride * stage.strides <= limit
        if keeps and self.dilation == 1:
            return stage
        if not isinstance(stage, ResidualBlockOptions):
            message = f"a '{stage.offer.name}' block cannot be dilated, as output_stride (={limit}) asks of it"
            raise PlanError([point_at(self.spec, ("stages", index, "block"), message)])
        before = self.dilation
        if not keeps:
            self.dilation *= stage.strides
        return stage.model_copy(
            update={
                "strides": stage.strides if keeps else 1,
                "dilation": stage.dilation * self.dilation,
                "first_dilation": stage.entry_dilation * before,
            }
        )

    def _drop(self, block: BlockOptions) -> BlockOptions:
        """A block's options with its own rate of drop path: rate * j / (blocks - 1) for block j by the linear rule."""
        if not (isinstance(block, ResidualBlockOptions) and block.drop_path and block.drop_path_rule == "linear"):
            return block
        return block.model_copy(update={"drop_path": block.drop_path * self.written / max(self.blocks - 1, 1)})

    def finish(self) -> None:
        """Raise `PlanError` where the stages do not end at `output_stride`."""
        wanted = self.spec.output_stride
        if wanted is not None and wanted != self.net.stride:
            message = f"output_stride is {wanted}, and this network's stages end at a stride of {self.net.stride}"
            raise PlanError([point_at(self.spec, ("output_stride",), message, _WHOLE)])


def point_at(spec: ArchSpec, path: KeyPath, message: str, *notes: str) -> Diagnostic:
    """An error at a path of the spec, or the nearest place around it that the document holds."""
    if spec.source is None:
        return Diagnostic(message, None, path, notes=notes)
    place, found = locate(spec.source, path)
    return Diagnostic(message, place, found, notes=notes)
