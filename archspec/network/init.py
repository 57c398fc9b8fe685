"""How weights start, by name.

`he`: torchvision's ResNet: convolutions from a normal distribution of variance 2 / (kernel² * out_channels), everything
else as torch starts it.  He et al. 2015 (Delving deep into rectifiers).
`glorot`: Keras's layers: uniform in ±sqrt(6 / (fan_in + fan_out)), biases zero.  Glorot and Bengio 2010.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from archspec.plan.gates import Norm
from archspec.plan.operations import Conv, Linear
from archspec.plan.plan import Step


def initialise(network: nn.Module, steps: Iterable[Step], scheme: str) -> None:
    """Fill the network's tensors as the scheme says; what it does not name keeps torch's own start.

    Tensors on the meta device have nothing to fill, and drawing them imports its compiler (0.8 s).
    """
    if any(parameter.is_meta for parameter in network.parameters()):
        return
    for step in steps:
        module, operation = network.get_submodule(step.name), step.operation
        if isinstance(operation, Conv) and scheme == "he":
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")  # type: ignore[arg-type]
        elif isinstance(operation, Conv | Linear) and scheme == "glorot":
            nn.init.xavier_uniform_(module.weight)  # type: ignore[arg-type]
            if operation.bias:
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        elif isinstance(operation, Norm) and operation.zero_init:
            nn.init.zeros_(module.weight)  # type: ignore[arg-type]
