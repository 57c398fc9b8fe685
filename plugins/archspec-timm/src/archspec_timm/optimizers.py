"""timm's optimizers, with all that they remember in tensors.

Many count steps as Python numbers, in `state[parameter]` or in their groups, and a checkpoint of archspec holds tensors
of parameters alone. Between steps such numbers are tensors here: a step opens them first, and closes them behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import timm.optim
import torch
from torch.optim import Optimizer

from archspec.errors import ArchspecError

if TYPE_CHECKING:
    from archspec_timm import TimmOptimizerOptions

_NUMBERS = {int: torch.int64, float: torch.float64, bool: torch.bool}
_OF_GROUP = "group."
_REFUSED = {
    "adahessian": "it needs the gradient's own gradient, which training does not make",
    "kron": "it draws from the random numbers that the network's dropout draws from",
}
"""By how a name begins."""


def make_optimizer(options: TimmOptimizerOptions, groups: list[dict[str, Any]]) -> Optimizer:
    """The optimizer of that name over these groups.

    Raises:
        ArchspecError: timm has none of that name, or it cannot be had here.

    """
    if options.name not in timm.optim.list_optimizers():
        raise ArchspecError(
            f"timm has no optimizer '{options.name}'", help="`timm.optim.list_optimizers()` has the names"
        )
    for name, reason in _REFUSED.items():
        if options.name.startswith(name):
            message = f"timm's optimizer '{options.name}' cannot be had in archspec: {reason}"
            raise ArchspecError(message, help="`timm.optim.list_optimizers()` has others, such as `lamb`")
    wanted = _own_options(options)
    try:
        made: Optimizer = timm.optim.create_optimizer_v2(
            groups, options.name, lr=options.lr, weight_decay=options.weight_decay, momentum=options.momentum, **wanted
        )
    except (TypeError, AttributeError, IndexError, ValueError, AssertionError, ImportError, RuntimeError) as error:
        message = f"timm cannot make the optimizer '{options.name}': {error}"
        raise ArchspecError(message, help="`timm.optim.list_optimizers()` has others, such as `lamb`") from error
    _keep_numbers(made)
    return made


def _own_options(options: TimmOptimizerOptions) -> dict[str, Any]:
    """Those that only some optimizers have. timm leaves out what one has not, and takes more betas than it reads.

    Raises:
        ArchspecError: this one has it not, or not so many.

    """
    known = timm.optim.get_optimizer_info(options.name)
    for option, has in (("betas", known.has_betas), ("eps", known.has_eps)):
        if getattr(options, option) is not None and not has:
            message = f"timm's optimizer '{options.name}' has no `{option}`"
            raise ArchspecError(message, help=f"leave out `optimizer.{option}`")
    if options.betas is not None and len(options.betas) != known.num_betas:
        message = f"timm's optimizer '{options.name}' takes {known.num_betas} betas, not {len(options.betas)}"
        raise ArchspecError(message, help=f"give `optimizer.betas` {known.num_betas} numbers")
    given = {"betas": options.betas, "eps": options.eps}
    return {key: value for key, value in given.items() if value is not None}


def _keep_numbers(optimizer: Optimizer) -> None:
    """Let numbers be tensors of parameters between steps."""
    settings = [_numbers(group) for group in optimizer.param_groups]
    frozen: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def open_numbers(*_: Any) -> None:
        frozen.clear()
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if group["lr"] == 0:  # some move by what they remember, at any rate
                    parameter.grad = None
                if parameter in optimizer.state:
                    _open(optimizer.state[parameter], group)
            if all(parameter.grad is None for parameter in group["params"]):
                frozen.append((group, _numbers(group)))

    def close_numbers(*_: Any) -> None:
        for group, numbers in frozen:  # what is frozen counts no steps
            for key in _numbers(group).keys() - numbers.keys():
                del group[key]
            group.update(numbers)
        for group, before in zip(optimizer.param_groups, settings, strict=True):
            states = [state for parameter in group["params"] if (state := optimizer.state.get(parameter))]
            for state in states:
                _close(state)
            changed = {key: value for key, value in _numbers(group).items() if key != "lr" and value != before.get(key)}
            for key, value in changed.items() if states else ():
                states[0][_OF_GROUP + key] = _closed(value)

    optimizer.register_step_pre_hook(open_numbers)
    optimizer.register_step_post_hook(close_numbers)


def _numbers(group: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a group, of which some are tensors that a step changes in place."""
    scalars = {key: value for key, value in group.items() if isinstance(value, torch.Tensor) and value.ndim == 0}
    return {key: value for key, value in group.items() if type(value) in _NUMBERS} | {
        key: value.clone() for key, value in scalars.items()
    }


def _open(state: dict[str, Any], group: dict[str, Any]) -> None:
    """Numbers again, in a parameter's state and in its group."""
    for key, value in list(state.items()):
        if key.startswith(_OF_GROUP):
            group[key.removeprefix(_OF_GROUP)] = _opened(state.pop(key))
        else:
            state[key] = _opened(value)


def _close(state: dict[str, Any]) -> None:
    for key, value in state.items():
        if type(value) in _NUMBERS:
            state[key] = _closed(value)


def _closed(value: Any) -> torch.Tensor:
    return value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=_NUMBERS[type(value)])


def _opened(value: Any) -> Any:
    """The number that was closed in a tensor. torch's own optimizers and timm's count in float32, which stays."""
    closed = isinstance(value, torch.Tensor) and value.ndim == 0 and value.dtype in _NUMBERS.values()
    return value.item() if closed else value
