"""Operations of plugins: what they declare is held against the module that they make, before anything relies on it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from archspec.errors import ArchspecError, PluginError
from archspec.plan.operations import Operation, Shape
from archspec.plan.plan import Step
from archspec.plugins.blame import describe_fault, raw_faults
from archspec.plugins.installed import origin_of

_HELP = "a network needs what the plan says: tell the plugin's author, whom `check_block` and its like show all of it"


def is_foreign(operation: Operation) -> bool:
    """Whether a plugin makes the module."""
    return not operation.maker.startswith("archspec.")


def make_foreign(operation: Operation, name: str) -> nn.Module:
    """The module of a plugin's operation, with the tensors that it declares.

    Raises:
        PluginError: it cannot be made, or has other tensors.

    """
    module, _, function = operation.maker.partition(":")
    try:
        made = getattr(importlib.import_module(module), function)(operation)
    except ArchspecError:
        raise
    except (Exception, SystemExit) as error:
        raise _lie(operation, name, f"cannot be made: {describe_fault(error, _package(operation))}") from error
    if not isinstance(made, nn.Module):
        raise _lie(operation, name, f"must be made a torch.nn.Module by {operation.maker}, not {made!r}")
    declared = {tensor: tuple(shape) for tensor, shape, _ in operation.tensors()}
    found = {tensor: tuple(value.shape) for tensor, value in made.state_dict().items()}
    if declared != found and not raw_faults():  # the test kit has its own words for it
        raise _lie(operation, name, f"declares the tensors {declared}, and its module has {found}")
    return made


def hold_to_shapes(network: nn.Module, steps: Sequence[Step], image: Shape) -> None:
    """Run a network of these steps on no images (0, C, H, W): what each operation of a plugin makes is as it declares.

    Raises:
        PluginError: one has another shape, or fails.

    """
    foreign = [step for step in steps if is_foreign(step.operation)]
    if not foreign or raw_faults():
        return
    watch = _Watch()
    hooks = [hook for step in steps for hook in watch.on(network.get_submodule(step.name), step)]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.empty(0, *image))
    except ArchspecError:
        raise
    except Exception as error:
        step = watch.step if watch.step is not None and is_foreign(watch.step.operation) else foreign[-1]
        fault = describe_fault(error, _package(step.operation))
        raise _lie(step.operation, step.name, f"fails on a batch of no images: {fault}") from error
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()


class _Watch:
    """Knows which step of a network runs, and looks at what those of plugins make."""

    def __init__(self) -> None:
        self.step: Step | None = None

    def on(self, module: nn.Module, step: Step) -> list[Any]:
        hooks = [module.register_forward_pre_hook(partial(self.before, step))]
        if is_foreign(step.operation):
            hooks.append(module.register_forward_hook(partial(self.after, step)))
        return hooks

    def before(self, step: Step, module: nn.Module, inputs: Any) -> None:
        self.step = step

    def after(self, step: Step, module: nn.Module, inputs: Any, output: Any) -> None:
        made = tuple(output.shape[1:]) if isinstance(output, Tensor) else f"{output!r:.100}"
        if made != step.output:
            raise _lie(step.operation, step.name, f"declares the shape {step.output}, and its module makes {made}")


def _package(operation: Operation) -> str:
    return operation.maker.partition(":")[0].partition(".")[0]


def _lie(operation: Operation, name: str, what: str) -> PluginError:
    origin = origin_of(_package(operation))
    return PluginError(f"'{name}', the operation {type(operation).__name__} of {origin}, {what}", help=_HELP)
