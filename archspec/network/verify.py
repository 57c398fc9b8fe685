"""Holds a plan's figures against what torch says of the compiled module."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from archspec.errors import ArchspecError, PluginError
from archspec.network.compile import Network, compile_network
from archspec.network.foreign import hold_to_shapes, is_foreign
from archspec.plan.plan import Plan


@dataclass(frozen=True)
class Measured:
    """What torch counts in a module, for one image."""

    parameters: int
    macs: int
    output: tuple[int, ...]


class MacCounter(TorchFunctionMode):
    """Counts multiply-adds per image from the weights that torch is given and the shapes that it returns."""

    macs = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (torch.conv1d, torch.conv2d):
            self.macs += args[1].numel() * math.prod(result.shape[2:])
        elif func is F.linear:
            self.macs += args[1].numel() * math.prod(result.shape[1:-1])
        return result


def measure(network: Network) -> Measured:
    """Count the module's tensors, and run it on a batch of no images for the shapes and multiply-adds.

    An empty batch goes through torch's own kernels and costs nothing; on the meta device the same run would import
    torch's compiler first (0.7 s).
    """
    was_training = network.training
    network.eval()
    with torch.no_grad(), MacCounter() as counter:
        output = network(torch.empty(0, *network.plan.input))
    network.train(was_training)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Measured(parameters, counter.macs, tuple(output.shape[1:]))


def verify_plan(plan: Plan) -> Measured:
    """Compile a plan, with weights that are never filled, and prove its figures.

    A difference is a fault of archspec or of a plugin's operation, never of the user's spec.

    Raises:
        PluginError: it has operations of plugins, and a figure is not as planned.

    """
    with torch.device("meta"):
        network = compile_network(plan)
    try:
        network.to_empty(device="cpu")
    except RuntimeError as error:  # the allocator's refusal
        size = 4 * plan.parameters / 1e9
        raise ArchspecError(f"the network's weights take {size:,.0f} GB, which this machine does not give") from error
    hold_to_shapes(network, plan.steps, plan.input)
    measured = measure(network)
    planned = Measured(plan.parameters, plan.macs, plan.output)
    if measured != planned:
        what = f"the plan of {plan.name} says {planned}, its compiled module {measured}"
        foreign = sorted({type(step.operation).__name__ for step in plan.steps if is_foreign(step.operation)})
        if foreign:
            raise PluginError(f"{what}, and it has operations of plugins: {', '.join(foreign)}")
        raise AssertionError(what)
    return measured
