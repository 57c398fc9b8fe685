"""An exporter: the network's tensors as an archive of numpy's arrays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from archspec import ExporterOptions, Offer, Offers, hookimpl

if TYPE_CHECKING:
    from archspec import Exported
    from torch import Tensor


class ArraysOptions(ExporterOptions):
    """Options of the exporter."""

    suffix: ClassVar[str] = ".npz"

    compressed: bool = False
    """A smaller file, which takes longer to write and to read."""


def arrays(options: ArraysOptions, exported: Exported, path: Path) -> Callable[[Tensor], Tensor]:
    """One array for each tensor by its name, and `archspec`: spec, classes and preprocessing as JSON."""
    import numpy as np
    import torch

    values = {name: tensor.numpy() for name, tensor in exported.network.state_dict().items()}
    write = np.savez_compressed if options.compressed else np.savez
    with path.open("wb") as stream:  # given a name, numpy would add a suffix to some
        write(stream, archspec=np.array(json.dumps(exported.record())), **values)

    def run(batch: Tensor) -> Tensor:
        """What archspec compares with the network: normalised images (B, C, H, W) -> (B, classes), by the file."""
        with np.load(path) as archive:
            tensors = {name: torch.from_numpy(archive[name]) for name in values}
        return cast("Tensor", torch.func.functional_call(exported.network, tensors, (batch,)))

    return run


@hookimpl
def archspec_exporters() -> Offers:
    return {"$name": Offer(ArraysOptions, arrays, "the tensors as arrays of numpy, .npz")}
