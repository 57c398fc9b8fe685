"""What an optimizer promises: it obeys its groups, draws nothing, and all that it remembers fits in a checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from archspec.errors import RunError
from archspec.offers import Options
from archspec.testing.cases import Fault
from archspec.testing.randomness import randomness_left_alone
from archspec.training.checkpoint import optimizer_tensors, restore_optimizer
from archspec.training.optimization import group_parameters
from archspec.training.run_events import RunEvents

_RATE, _DECAY = 1e-3, 0.1
_STEPS = 3
_PATIENCE = 8
"""So many steps may pass before the first that moves: RAdam's leave the weights alone until their variance is known."""
_LATE = "0.weight"
"""The parameter that is frozen at first."""

State = dict[str, Tensor]


def prove_optimizer(options: Options) -> None:
    """Hold an optimizer to its promises, on a tiny network.

    Raises:
        Fault: it broke one.

    """
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 1), nn.Flatten(), nn.Linear(6, 2))
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    network.to(memory_format=torch.channels_last)
    options.offer.make(options, group_parameters(network, _DECAY))  # the first time imports, and an import may draw
    _prove_groups(options, copy.deepcopy(network))
    _prove_decay(options, copy.deepcopy(network))
    _prove_rate(options, copy.deepcopy(network))
    _prove_frozen(options, copy.deepcopy(network))
    _prove_checkpoint(options, network)


def _make(options: Options, network: nn.Module) -> Optimizer:
    """The optimizer over the groups of a recipe."""
    with randomness_left_alone("making it", "draw from a generator of your own"):
        made = options.offer.make(options, group_parameters(network, _DECAY))
    if not isinstance(made, Optimizer):
        raise Fault(f"`make` must return a torch.optim.Optimizer, not {type(made).__name__}")
    return made


def _make_at_small_rate(options: Options, network: nn.Module) -> Optimizer:
    made = _make(options, network)
    for group in made.param_groups:
        group["lr"] = _RATE
    return made


def _step(
    optimizer: Optimizer, network: nn.Module, number: int, *, frozen: Iterable[str] = (), slope: float = 1.0
) -> None:
    """One step, with gradients that its number fixes."""
    generator = torch.Generator().manual_seed(number)
    for name, parameter in network.named_parameters():
        gradient = slope * torch.randn(parameter.shape, generator=generator)
        parameter.grad = None if name in frozen else torch.empty_like(parameter).copy_(gradient)
    with randomness_left_alone("a step", "the network's dropout draws from them"):
        optimizer.step()


def _values(network: nn.Module) -> State:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def _moved(before: State, network: nn.Module) -> set[str]:
    return {name for name, value in _values(network).items() if not torch.equal(value, before[name])}


def _prove_groups(options: Options, network: nn.Module) -> None:
    """Every parameter is in the group that it was given in, at the rate of the options."""
    given = group_parameters(network, _DECAY)
    groups = _make(options, network).param_groups
    kept = [[id(parameter) for parameter in group["params"]] for group in groups]
    if kept != [[id(parameter) for parameter in group["params"]] for group in given]:
        raise Fault("its `param_groups` must be the groups that it is given, in their order")
    rate = getattr(options, "lr", None)
    for group in groups:
        if rate is not None and group.get("lr") != rate:
            raise Fault(f"its groups must begin with the `lr` of the options, {rate}, not {group.get('lr')}")


def _prove_decay(options: Options, network: nn.Module) -> None:
    """Without a slope, the group that decays shrinks, and the other one stays."""
    optimizer, before = _make_at_small_rate(options, network), _values(network)
    for _ in range(_PATIENCE):
        _step(optimizer, network, 0, slope=0.0)
    if wrong := sorted(name for name in _moved(before, network) if before[name].ndim <= 1):
        raise Fault(f"{wrong[0]} moves without a slope, and its group has a `weight_decay` of 0")
    decays = "weight_decay" in type(options).model_fields
    for name, parameter in network.named_parameters():
        if decays and parameter.ndim > 1 and not parameter.norm() < before[name].norm():
            raise Fault(f"{name} does not shrink, and its group has a `weight_decay` of {_DECAY}")


def _prove_rate(options: Options, network: nn.Module) -> None:
    """A step moves all; a group at a rate of 0 stays where it is, and at a smaller rate it moves less far."""
    optimizer, before = _make_at_small_rate(options, network), _values(network)
    for number in range(_PATIENCE):
        _step(optimizer, network, number)
    if still := sorted(set(before) - _moved(before, network)):
        raise Fault(f"{_PATIENCE} steps leave {still[0]} where it is, at gradients that are not 0")
    decaying, rest = optimizer.param_groups
    decaying["lr"], before = 0.0, _values(network)
    _step(optimizer, network, _PATIENCE)
    moved = _moved(before, network)
    for group, moves in ((decaying, False), (rest, True)):
        for name, parameter in network.named_parameters():
            if any(parameter is other for other in group["params"]) and (name in moved) != moves:
                what = "does not move" if moves else "moves"
                raise Fault(f"{name} {what} at a rate of {group['lr']}: a step must read the `lr` of each group")


def _prove_frozen(options: Options, network: nn.Module) -> None:
    """A parameter without a gradient stays, and moves once it has one, as when a layer is unfrozen."""
    optimizer, before = _make_at_small_rate(options, network), _values(network)
    for number in range(_STEPS):
        _step(optimizer, network, number, frozen=[_LATE])
    if _LATE in _moved(before, network):
        raise Fault(f"{_LATE} has no gradient, and moves: a frozen layer must stay as it is")
    try:
        for number in range(_STEPS, _STEPS + _PATIENCE):
            _step(optimizer, network, number)
    except Exception as error:
        raise Fault(f"a parameter that gets its first gradient later breaks it, as unfreezing does: {error}") from error
    if _LATE not in _moved(before, network):
        raise Fault(f"{_LATE} gets its first gradient at step {_STEPS + 1}, and does not move in {_PATIENCE} steps")


def _prove_checkpoint(options: Options, network: nn.Module) -> None:
    """Stopped, saved, restored and going on, it ends with the bits of one that never stopped."""
    uninterrupted = copy.deepcopy(network)
    _run(_make_at_small_rate(options, uninterrupted), uninterrupted, range(2 * _PATIENCE))
    again = copy.deepcopy(network)
    _run(_make_at_small_rate(options, again), again, range(2 * _PATIENCE))
    _refuse_other(uninterrupted, again, "the same steps end elsewhere the second time: it must be deterministic")
    optimizer = _make_at_small_rate(options, network)
    _run(optimizer, network, range(_STEPS))
    try:
        tensors = optimizer_tensors(optimizer, network)
        kept = optimizer.tensors() if isinstance(optimizer, RunEvents) else {}
        saved, events = (save({name: value.contiguous() for name, value in of.items()}) for of in (tensors, kept))
    except RunError as error:
        raise Fault(f"{error.message}: keep numbers as tensors, in `state[parameter]`") from None
    resumed = copy.deepcopy(network)
    optimizer = _make_at_small_rate(options, resumed)
    restore_optimizer(optimizer, resumed, load(saved))
    if isinstance(optimizer, RunEvents):
        optimizer.restore(load(events))
    if _bits(optimizer_tensors(optimizer, resumed)) != _bits(tensors):
        raise Fault("its state is not the same once it was saved and restored")
    _run(optimizer, resumed, range(_STEPS, 2 * _PATIENCE))
    help = "all that it remembers must be tensors in `state[parameter]`"
    _refuse_other(uninterrupted, resumed, f"stopped, saved and restored, it goes on elsewhere: {help}")


def _run(optimizer: Optimizer, network: nn.Module, steps: Iterable[int]) -> None:
    for number in steps:
        _step(optimizer, network, number, frozen=[_LATE] if number < 2 else [])


def _bits(tensors: State) -> dict[str, tuple[Any, ...]]:
    return {name: (value.dtype, value.shape, save({"": value.contiguous()})) for name, value in tensors.items()}


def _refuse_other(one: nn.Module, other: nn.Module, what: str) -> None:
    if _moved(_values(one), other):
        raise Fault(what)
