"""Finds the state dict in what a checkpoint holds: nested under a usual key, under wrappers' prefixes, or plain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from archspec.errors import WeightsError, shorten

_AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "ema_model", "ema")
_PLAIN = ("state_dict", "model", "model_state_dict", "net", "network", "params", "weights", "module")
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
_DEEPEST = 4
_COUNT = "n_averaged"
"""A counter that torch's `AveragedModel` keeps beside the weights."""


@dataclass(frozen=True)
class StateDict:
    """Tensors by name, and where in the checkpoint they stood."""

    tensors: dict[str, Tensor]
    key: str = ""
    """Such as `model_ema` or `checkpoint.state_dict`; empty where they stand at the top."""
    others: tuple[str, ...] = ()
    """Of the state dicts that were not taken."""

    @property
    def averaged(self) -> bool:
        return _is_averaged(self.key)


def find_state(content: Any, source: str, key: str | None = None) -> StateDict:
    """The state dict under `key`, or the likeliest: a moving average before the weights that it averages.

    Raises:
        WeightsError: there is none, or none under `key`.

    """
    found = list(_search(content, "", ()))
    if key is not None:
        below = next(_search(_at(content, key), key, ()), None)
        if below is None:
            known = [f"'{shorten(path)}'" for path, _ in found if path]
            help = f"keys with a state dict: {', '.join(known)}" if known else "leave --key out"
            raise WeightsError(f"{source} holds no state dict under '{shorten(key)}'", help=help)
        found = [below, *(other for other in found if other[0] not in (key, below[0]))]
    elif not found:
        raise WeightsError(f"{source} holds no state dict: no tensors with names")
    else:
        found.sort(key=lambda candidate: not _is_averaged(candidate[0]))
    (path, tensors), *others = found
    return StateDict(_without_prefixes(tensors), path, tuple(other for other, _ in others))


def state_tensors(content: Any, source: str) -> dict[str, Tensor]:
    """The tensors of `find_state`."""
    return find_state(content, f"'{source}'").tensors


def _is_averaged(path: str) -> bool:
    return not set(path.split(".")).isdisjoint(_AVERAGED)


def _search(content: Any, path: str, above: tuple[int, ...]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The maps of tensors below, each with its path. A checkpoint may hold itself, so what is above is not entered."""
    if not isinstance(content, Mapping) or id(content) in above or len(above) > _DEEPEST:
        return
    nested = False
    for key in (*_AVERAGED, *_PLAIN):
        for found in _search(content.get(key), f"{path}.{key}".lstrip("."), (*above, id(content))):
            nested = True
            yield found
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors and not nested:  # beside a nested state dict, a tensor is a learning rate or a step
        yield path, tensors


def _at(content: Any, key: str) -> Any:
    """What stands under a key, or under a path of keys with dots between."""
    if not isinstance(content, Mapping) or key in content:
        return content.get(key) if isinstance(content, Mapping) else None
    first, dot, rest = key.partition(".")
    return _at(content.get(first), rest) if dot else None


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    tensors = {name: tensor for name, tensor in tensors.items() if name != _COUNT or tensor.ndim}
    while prefix := next((p for p in _PREFIXES if tensors and all(name.startswith(p) for name in tensors)), ""):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
