"""Folds a network for inference: norms into convolutions, and parallel convolutions into one.

Names stay: what is folded away becomes `nn.Identity`, and of parallel convolutions the largest kernel holds them all.
So a RepVGG network that is folded has the tensors of its inference form (Ding et al. 2021, section 3.3).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from archspec.network.layers import StandardizedConv2d
from archspec.plan.branches import Add, DropPath
from archspec.plan.gates import BatchNorm
from archspec.plan.operations import Conv
from archspec.plan.plan import Step


class Pick(nn.Module):
    """One of its inputs: what a sum becomes when the other one was folded into it."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self.position = position

    def forward(self, *inputs: Tensor) -> Tensor:
        """Any tensors -> the one at `position`."""
        return inputs[self.position]

    def extra_repr(self) -> str:
        return str(self.position)


@dataclass(frozen=True)
class _Branch:
    """A value that a convolution or a norm alone makes of `source`, and that one step alone reads."""

    source: int
    name: str
    """The module that makes it."""


def fold_network(network: nn.Module, steps: tuple[Step, ...], offset: int) -> None:
    """Fold a network in place; it is in evaluation mode from there on, and its parameters need no gradient.

    `steps` are the plan's from number `offset` on.
    """
    network.eval().requires_grad_(False)
    _Folder(network, steps, offset).fold()


class _Folder:
    def __init__(self, network: nn.Module, steps: tuple[Step, ...], offset: int) -> None:
        self.network = network
        self.steps = steps
        self.offset = offset
        self.branches: dict[int, _Branch] = {}
        self.readers: dict[int, int] = {}
        for step in steps:
            for value in step.inputs:
                self.readers[value] = self.readers.get(value, 0) + 1

    def fold(self) -> None:
        for value, step in enumerate(self.steps, start=self.offset + 1):
            branch = self.branch(step)
            if branch is not None and self.readers.get(value) == 1:
                self.branches[value] = branch

    def branch(self, step: Step) -> _Branch | None:
        """The branch that a step makes, once what it does is folded into the modules before it."""
        before = self.branches.get(step.inputs[0])
        match step.operation:
            case Conv():
                self.replace(step.name, _plain(self.network.get_submodule(step.name)))
                return _Branch(step.inputs[0], step.name)
            case BatchNorm():
                conv = self.network.get_submodule(before.name) if before else None
                if before is None or not isinstance(conv, nn.Conv2d):
                    return _Branch(step.inputs[0], step.name)
                norm = self.network.get_submodule(step.name)
                self.replace(before.name, fuse_conv_bn_eval(conv, norm))  # type: ignore[arg-type]
                self.replace(step.name, nn.Identity())
                return before
            case DropPath():
                self.replace(step.name, nn.Identity())
                return before
            case Add():
                return self.join(step)
        return None

    def join(self, step: Step) -> _Branch | None:
        """Two branches of one source become the one with the larger kernel, where they can."""
        first, second = (self.branches.get(value) for value in step.inputs)
        for position, (branch, other) in enumerate(((first, step.inputs[1]), (second, step.inputs[0]))):
            if branch is not None and branch.source == other:
                return self.join_identity(step, branch, position)
        if first is None or second is None or first.source != second.source:
            return None
        modules = [self.network.get_submodule(branch.name) for branch in (first, second)]
        large = max(range(2), key=lambda at: _size(modules[at]))
        merged = _merge(modules[large], modules[1 - large])
        if merged is None:
            return None
        kept, gone = (first, second) if large == 0 else (second, first)
        self.replace(kept.name, merged)
        self.replace(gone.name, nn.Identity())
        self.replace(step.name, Pick(large))
        return kept

    def join_identity(self, step: Step, branch: _Branch, position: int) -> _Branch | None:
        """A branch and its source itself become one convolution, where they can."""
        conv = self.network.get_submodule(branch.name)
        merged = _merge(conv, nn.Identity())
        if merged is None:
            return None
        self.replace(branch.name, merged)
        self.replace(step.name, Pick(position))
        return branch

    def replace(self, name: str, module: nn.Module) -> None:
        self.network.set_submodule(name, module.eval().requires_grad_(False))


def _plain(module: nn.Module) -> nn.Module:
    """A convolution without standardization, whose weights are the standardized ones; any other as it is."""
    if not isinstance(module, StandardizedConv2d):
        return module
    plain = module.without_standardization()
    plain.weight.data = module.standardized_weight()
    return plain


def _merge(large: nn.Module, small: nn.Module) -> nn.Conv2d | None:
    """The sum of a convolution and a smaller one, a norm or an identity, as a convolution; None where it is none."""
    if type(large) is not nn.Conv2d or not _symmetric(large):
        return None
    kernel = _kernel(small, large)
    if kernel is None:
        return None
    weight, bias = kernel
    margin = (large.kernel_size[0] - weight.shape[-1]) // 2
    merged = copy.deepcopy(large)
    merged.weight = nn.Parameter(large.weight + F.pad(weight, [margin] * 4))
    merged.bias = nn.Parameter(bias if large.bias is None else large.bias + bias)
    return merged


def _kernel(small: nn.Module, large: nn.Conv2d) -> tuple[Tensor, Tensor] | None:
    """The weight and bias of a module as a convolution of the large one's stride and groups."""
    if isinstance(small, nn.BatchNorm2d | nn.Identity):
        if large.stride != (1, 1) or large.in_channels != large.out_channels:
            return None
        return _identity(small, large)
    if type(small) is not nn.Conv2d or not _symmetric(small) or small.stride != large.stride:
        return None
    if small.groups != large.groups or (small.kernel_size != (1, 1) and small.dilation != large.dilation):
        return None
    return small.weight, torch.zeros_like(small.weight[:, 0, 0, 0]) if small.bias is None else small.bias


def _identity(norm: nn.BatchNorm2d | nn.Identity, large: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """A norm in evaluation mode, or nothing, as a 1x1 convolution in groups."""
    width = large.in_channels // large.groups
    own = torch.eye(width, device=large.weight.device, dtype=large.weight.dtype).repeat(large.groups, 1)
    if isinstance(norm, nn.Identity):
        return own[:, :, None, None], torch.zeros_like(own[:, 0])
    identity = nn.Conv2d(large.in_channels, large.out_channels, 1, groups=large.groups, bias=False)
    identity.weight.data = own[:, :, None, None]
    fused = fuse_conv_bn_eval(identity.eval(), norm)
    assert fused.bias is not None  # it took the norm's shift
    return fused.weight, fused.bias


def _size(module: nn.Module) -> int:
    return module.kernel_size[0] if isinstance(module, nn.Conv2d) else 0


def _symmetric(conv: nn.Conv2d) -> bool:
    """Whether it pads half its kernel on both sides with zeros, so that a smaller one stands in its middle."""
    half = tuple(d * (k // 2) for k, d in zip(conv.kernel_size, conv.dilation, strict=True))
    return conv.padding == half and conv.kernel_size[0] % 2 == 1 and conv.padding_mode == "zeros"
