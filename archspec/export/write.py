"""Writes a network by an exporter, whole or not at all, and runs the file to prove that it is the network."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from archspec.errors import ExportError, PluginError
from archspec.export.exported import Exported
from archspec.export.options import ExporterOptions
from archspec.files import sha256, sync, sync_folder
from archspec.weights.compare import TOLERANCE, Comparison, compare_tensors

_IMAGES = 2


@dataclass(frozen=True)
class Written:
    """The file of an export."""

    path: Path
    bytes: int
    sha256: str
    comparison: Comparison | None
    """Of what the file makes of a batch of noise with what the network does; None where the exporter cannot run it."""


def write_export(options: ExporterOptions, exported: Exported, target: Path) -> Written:
    """Write `target` by the exporter of these options; what was there before is replaced when all is proved.

    Raises:
        ExportError: the file cannot be written, or the network cannot.
        PluginError: the exporter fails, writes no file or several, or its file does something else than the network.

    """
    batch = torch.randn(_IMAGES, *exported.plan.input, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = exported.network(batch)
    if not expected.isfinite().all():
        help = "its weights diverged; export another checkpoint, or train again"
        raise ExportError(f"the outputs of {exported.plan.name} are no finite numbers", help=help)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            path = Path(folder) / target.name
            run = options.offer.make(options, exported, path)
            _refuse_other_files(options, path)
            comparison = None if run is None else _compare(options, run, batch, expected)
            del run  # it may hold the file open
            sync(path)
            written = Written(target, path.stat().st_size, sha256(path), comparison)
            path.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise ExportError(f"'{target}' cannot be written: {error.strerror or error}") from error
    return written


def _what(options: ExporterOptions) -> str:
    return f"'{options.offer.name}' among exporters of {options.offer.origin}"


def _refuse_other_files(options: ExporterOptions, path: Path) -> None:
    """An exporter writes the one file that it is given."""
    others = sorted(each.name for each in path.parent.iterdir() if each != path)
    if path.is_symlink() or not path.is_file():
        beside = f", but '{others[0]}' beside it" if others else ""
        raise PluginError(f"{_what(options)} did not write the file that it was given{beside}")
    if others:
        raise PluginError(f"{_what(options)} wrote '{others[0]}' beside the one file that it was given")


def _compare(options: ExporterOptions, run: Callable[[Tensor], object], batch: Tensor, expected: Tensor) -> Comparison:
    if not callable(run):
        raise PluginError(f"{_what(options)} must return None, or a function that runs the file, not {run!r}")
    with torch.no_grad():
        found = run(batch)
    if not isinstance(found, Tensor) or found.shape != expected.shape:
        made = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise PluginError(f"the file of {_what(options)} makes {made} of a batch, not {tuple(expected.shape)}")
    comparison = compare_tensors(found.to(expected), expected)
    if not comparison.relative <= TOLERANCE:  # which what is no number is not
        what = f"differs from the network by {comparison.absolute:.2g}, of outputs up to {comparison.scale:.2g}"
        raise PluginError(f"the file of {_what(options)} {what}", help="no file was kept; tell its author")
    return comparison
