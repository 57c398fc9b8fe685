"""The spec: one residual network, as YAML describes it."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr

from archspec.errors import shorten
from archspec.offers import Offered, Settings
from archspec.spec.budget import Budget
from archspec.spec.lint import LintSpec
from archspec.spec.parts import BlockOptions, HeadOptions, StemOptions
from archspec.spec.reader import Mapping

Pixels = Annotated[int, Field(ge=1, le=65_536)]


MAX_BLOCKS = 100_000
_NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"


def _square(value: Any) -> Any:
    return value if isinstance(value, tuple) else (value, value)


def _version(value: int) -> int:
    if value != 1:
        raise ValueError(f"is {value}, and this archspec reads version 1 of the format: a newer one is needed")
    return value


def _plain_name(value: str) -> str:
    if not re.fullmatch(_NAME, value):
        wanted = "must be letters, digits, '.', '_' and '-', and begin with a letter or digit"
        raise ValueError(f"{wanted}, unlike '{shorten(value)}'")
    return value


def _not_endless(stages: tuple[BlockOptions, ...]) -> tuple[BlockOptions, ...]:
    blocks = sum(stage.repeats for stage in stages)
    if blocks > MAX_BLOCKS:
        raise ValueError(f"must have at most {MAX_BLOCKS:,} blocks in all, not {blocks:,}")
    return stages


class InputSpec(Settings):
    """The images that go in."""

    channels: Annotated[int, Field(ge=1, le=65_536)] = 3
    size: Annotated[
        tuple[Pixels, Pixels], BeforeValidator(_square, json_schema_input_type=Pixels | tuple[Pixels, Pixels])
    ] = (224, 224)
    """Pixels: one number for a square, or `[height, width]`."""


class ArchSpec(Settings):
    """One residual network: stem, stages, head."""

    document_keys: ClassVar[tuple[str, ...]] = ("defaults", "extends")

    archspec: Annotated[int, AfterValidator(_version), Field(json_schema_extra={"const": 1})] = 1
    """Version of the format."""
    name: Annotated[
        str, Field(max_length=100, json_schema_extra={"pattern": f"^{_NAME}$"}), AfterValidator(_plain_name)
    ]
    """What the network is called in reports and runs: letters, digits, '.', '_' and '-'."""
    input: InputSpec = InputSpec()
    init: Literal["he", "glorot"] = "he"
    """How weights start: `he` as torchvision initialises a ResNet, `glorot` as Keras does."""
    output_stride: Literal[8, 16, 32] | None = None
    """Input pixels between two neighbours of the last map: strides beyond it become dilation.  Chen et al. 2017."""
    stem: Annotated[StemOptions, Offered("stems")]
    stages: Annotated[
        tuple[Annotated[BlockOptions, Offered("blocks", key="block")], ...],
        Field(min_length=1),
        AfterValidator(_not_endless),
    ]
    head: Annotated[HeadOptions, Offered("heads")]
    budget: Budget = Budget()
    lint: LintSpec = LintSpec()

    _source: Mapping | None = PrivateAttr(default=None)

    @property
    def source(self) -> Mapping | None:
        """The document it was read from, so that a later error can still point at its line."""
        return self._source

    def read_from(self, source: Mapping) -> ArchSpec:
        """This spec, with the document it was read from."""
        self._source = source
        return self
