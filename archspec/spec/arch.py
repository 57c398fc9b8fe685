"""The spec: one residual network, as YAML describes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from archspec.offers import Offered, Settings
from archspec.spec.parts import BlockOptions, HeadOptions, StemOptions
from archspec.spec.reader import Mapping

Pixels = Annotated[int, Field(ge=1, le=65_536)]


def _square(value: Any) -> Any:
    return value if isinstance(value, tuple) else (value, value)


class InputSpec(Settings):
    """The images that go in."""

    channels: Annotated[int, Field(ge=1, le=65_536)] = 3
    size: Annotated[tuple[Pixels, Pixels], BeforeValidator(_square)] = (224, 224)
    """Pixels: one number for a square, or `[height, width]`."""


class ArchSpec(Settings):
    """One residual network: stem, stages, head."""

    archspec: Literal[1] = 1
    """Version of the format."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    input: InputSpec = InputSpec()
    init: Literal["he", "glorot"] = "he"
    """How weights start: `he` as torchvision initialises a ResNet, `glorot` as Keras does."""
    stem: Annotated[StemOptions, Offered("stems")]
    stages: Annotated[tuple[Annotated[BlockOptions, Offered("blocks", key="block")], ...], Field(min_length=1)]
    head: Annotated[HeadOptions, Offered("heads")]

    _source: Mapping | None = PrivateAttr(default=None)

    @property
    def source(self) -> Mapping | None:
        """The document it was read from, so that a later error can still point at its line."""
        return self._source

    def read_from(self, source: Mapping) -> ArchSpec:
        """This spec, with the document it was read from."""
        self._source = source
        return self
