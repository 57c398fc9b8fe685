"""Exporters: safetensors, torch.export."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from archspec import ExporterOptions, Offer, Offers, hookimpl
from archspec.errors import ExportError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram

    from archspec import Exported

Run = Callable[["Tensor"], "Tensor"]
"""Normalised images (B, C, H, W) -> (B, classes)."""

_FACTS = "archspec.json"
"""The extra file of a program: spec, classes, preprocessing."""
_EXAMPLE = 2
"""Images that a dynamic batch is traced with: torch takes a batch of one for a constant."""


class SafetensorsOptions(ExporterOptions):
    """Options of the safetensors exporter."""

    suffix: ClassVar[str] = ".safetensors"


def safetensors(options: SafetensorsOptions, exported: Exported, path: Path) -> Run:
    """The state dict under the plan's names, with spec, classes and preprocessing as metadata."""
    import torch
    from safetensors.torch import load_file, save

    from archspec import compile_network

    tensors = {name: tensor.contiguous() for name, tensor in exported.network.state_dict().items()}
    path.write_bytes(save(tensors, {"format": "pt", **exported.metadata()}))

    def run(batch: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):  # torch draws weights before the file's take their place
            network = compile_network(exported.plan, state=load_file(path)).eval()
        found: Tensor = network(batch)
        return found

    return run


class TorchExportOptions(ExporterOptions):
    """Options of the torch.export exporter."""

    suffix: ClassVar[str] = ".pt2"

    batch: Literal["dynamic"] | Annotated[int, Field(ge=1, le=65_536)] = "dynamic"
    """How many images the program takes at once: `dynamic` is any number, and a number is that one alone."""


def torch_export(options: TorchExportOptions, exported: Exported, path: Path) -> Run:
    """A program of torch.export, which runs where torch is and archspec is not."""
    import torch

    images = _EXAMPLE if options.batch == "dynamic" else options.batch
    shapes = ({0: torch.export.Dim("batch")},) if options.batch == "dynamic" else None
    try:
        program = torch.export.export(
            exported.network, (torch.zeros(images, *exported.plan.input),), dynamic_shapes=shapes
        )
    except Exception as error:  # whatever an operation makes torch raise
        said = (str(error).splitlines() or [""])[0]
        help = "an operation of a plugin may do what torch.export cannot follow; safetensors takes every network"
        raise ExportError(f"torch.export fails: {type(error).__name__}: {said}", help=help) from error
    stream = io.BytesIO()  # torch's own writer names neither the file nor why it cannot be written
    torch.export.save(program, stream, extra_files={_FACTS: json.dumps(exported.record())})
    path.write_bytes(stream.getbuffer())

    def run(batch: Tensor) -> Tensor:
        with path.open("rb") as written:
            loaded = torch.export.load(written)
        return _run_program(loaded, batch, None if options.batch == "dynamic" else images)

    return run


def _run_program(program: ExportedProgram, batch: Tensor, images: int | None) -> Tensor:
    """Run a batch of any number, where the program takes so many `images` alone: the last ones beside blank images."""
    import torch

    network = program.module()
    if images is None:
        found: Tensor = network(batch)
        return found
    parts = batch.split(images)
    blank = batch.new_zeros(images, *batch.shape[1:])
    return torch.cat([network(torch.cat([part, blank[len(part) :]]))[: len(part)] for part in parts])


@hookimpl
def archspec_exporters() -> Offers:
    return {
        "safetensors": Offer(SafetensorsOptions, safetensors, "the tensors by name, with spec, classes, preprocessing"),
        "torch-export": Offer(TorchExportOptions, torch_export, "a program that torch runs without archspec (.pt2)"),
    }
