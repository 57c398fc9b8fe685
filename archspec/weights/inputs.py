"""The first convolution for another number of input channels.

The file's weight is w (O, I, k, k), the network's w' (O, J, k, k); i and j count the channels from 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from archspec.errors import WeightsError
from archspec.weights.settings import InputRule

FORMULAS: dict[InputRule, str] = {
    "sum": "w'[:, j] = (w[:, 0] + ... + w[:, I-1]) / J",
    "mean": "w'[:, j] = (w[:, 0] + ... + w[:, I-1]) / I",
    "repeat": "w'[:, j] = w[:, j mod I] * I / J",
    "zero-extra": "w'[:, j] = w[:, j] where j < I, else 0",
}
"""`sum` and `repeat` keep the sum over the channels, so an input with the same value in all of them gives what it gave
(`repeat` where J is a multiple of I)."""


def choose_rule(rule: InputRule | str, there: int, here: int) -> InputRule:
    """The rule that `auto` means for these numbers of channels.

    Raises:
        WeightsError: `zero-extra` for fewer channels than there are.

    """
    if rule == "auto":
        return "sum" if here < there else "repeat"
    if rule == "zero-extra" and here < there:
        message = (
            f"the input rule 'zero-extra' only adds channels, and the network has {here} where the file has {there}"
        )
        raise WeightsError(message, help="take sum or mean")
    return rule  # type: ignore[return-value]


def adapt_input(weight: Tensor, channels: int, rule: InputRule) -> Tensor:
    """(O, I, k, k) -> (O, J, k, k) for J `channels`, by a rule of `FORMULAS`."""
    there = weight.shape[1]
    exact = weight.to(torch.promote_types(weight.dtype, torch.float32))  # half precision would lose the sum's last bits
    if rule in ("sum", "mean"):
        total = exact.sum(1, keepdim=True) / (channels if rule == "sum" else there)
        return total.expand(-1, channels, -1, -1).to(weight.dtype)
    taken = exact[:, [channel % there for channel in range(channels)]]
    if rule == "repeat":
        return (taken * (there / channels)).to(weight.dtype)
    taken[:, there:] = 0  # zero-extra; indexing made a copy
    return taken.to(weight.dtype)
