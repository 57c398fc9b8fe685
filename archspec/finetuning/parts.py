"""A network whose first part is frozen, on torch: what trains, what its norms do, and its two parts as modules."""

from __future__ import annotations

import torch
from torch import nn

from archspec.finetuning.treatment import Treatments, statistics
from archspec.network.compile import Network, compile_network


def treat(network: Network, treatments: Treatments) -> None:
    """Let what should train train, and no other; a parameter that is frozen loses its gradient.

    With a gradient left over, the optimizer's momentum would move it.
    """
    for name, parameter in network.named_parameters():
        trains = treatments[name].trains
        parameter.requires_grad_(trains)
        if not trains:
            parameter.grad = None


def set_training(network: Network, treatments: Treatments) -> None:
    """Training mode, but for the norms that a policy holds still.

    One whose running statistics are left alone computes with its batch's: to torch, it tracks none.
    """
    network.train()
    inside = {step.name for step in network.steps}
    for name, mode in statistics(network.plan, treatments).items():
        if name in inside:
            layers = network.get_submodule(name)  # a norm, or what an operation of a plugin's has norms in
            layers.train(mode != "eval")
            for norm in layers.modules():
                if isinstance(norm, nn.modules.batchnorm._NormBase):
                    norm.track_running_stats = mode != "batch"


def fold_prefix(network: Network, cut: str, memory_format: torch.memory_format, start: str | None = None) -> Network:
    """The part before a cut, as an inference graph of its own: batch norms folded, no gradients."""
    device = next(network.parameters()).device
    prefix = compile_network(network.plan, start, cut, state=network.state_dict(), fold=True)
    prefix.to(memory_format=memory_format).to(device)
    return prefix


def tail_of(network: Network, cut: str) -> Network:
    """The part from a cut on, with the very parameters and statistics of the network."""
    tail = compile_network(network.plan, start=cut, end=network.plan.logits_end, state=network.state_dict())
    for step in tail.steps:
        if step.operation.parameters() or step.operation.buffers():
            tail.set_submodule(step.name, network.get_submodule(step.name))
    return tail
