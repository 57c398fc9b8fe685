"""How images become logits in an epoch: through the whole network, past a frozen prefix, or from kept features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from archspec.data.loader import Loader
from archspec.data.transforms import Entrance
from archspec.finetuning.features import KeptLoader
from archspec.finetuning.parts import fold_prefix, tail_of, treat
from archspec.network.compile import Network

if TYPE_CHECKING:
    from archspec.training.loop import Trainer


@dataclass(frozen=True)
class Route:
    """What an epoch trains and measures with."""

    cut: str | None
    """The step behind the frozen prefix; None where nothing is frozen from the input on."""
    train_loader: Loader | KeptLoader
    validation_loader: Loader | KeptLoader
    enter: Entrance
    """How a batch of the loaders enters a network."""
    forward: Callable[[Tensor], Tensor]
    """In training: (B, C, H, W) or features -> logits (B, classes)."""
    evaluated: nn.Module
    """What evaluation measures."""
    trained: nn.Module
    """The part of the network behind the prefix, or all of it."""

    @property
    def kept(self) -> bool:
        """Whether the batches are features."""
        return isinstance(self.train_loader, KeptLoader)


class BehindPrefix(nn.Module):
    """A network past its frozen prefix, which is an inference graph."""

    def __init__(self, prefix: Network, tail: nn.Module) -> None:
        super().__init__()
        self.prefix, self.tail = prefix, tail

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, classes)."""
        with torch.no_grad():
            x = self.prefix(x)
        logits: Tensor = self.tail(x)
        return logits

    def train(self, mode: bool = True) -> BehindPrefix:
        """The tail's mode; the prefix has one alone."""
        self.tail.train(mode)
        return self


def choose_route(trainer: Trainer, epoch: int) -> Route:
    """The route of an epoch, counted from 0; what is frozen in it needs no gradient from then on.

    While the cut stays, so do its modules, and what torch compiled of them.
    """
    treat(trainer.network, trainer.freezing.phase(epoch).treatments)
    cut, before = trainer.freezing.cut(epoch), trainer.route
    kept = trainer.features.loaders(epoch, cut) if trainer.features is not None and cut is not None else None
    if before is not None and before.cut == cut and before.kept == (kept is not None):
        return before if kept is None else replace(before, train_loader=kept[0], validation_loader=kept[1])
    return _new_route(trainer, cut, kept)


def _new_route(trainer: Trainer, cut: str | None, kept: tuple[KeptLoader, KeptLoader] | None) -> Route:
    loaders, enter = (trainer.train_loader, trainer.validation_loader), trainer.normalize
    if cut is None:
        forward = trainer.network if trainer.forward is None else trainer.forward  # torch's has no truth value
        return Route(cut, *loaders, enter, forward, trainer.evaluated, trainer.network)
    tail = tail_of(trainer.network, cut)
    measured = tail if trainer.average is None else tail_of(trainer.evaluated, cut)
    run = tail if trainer.forward is None else cast(nn.Module, torch.compile(tail))
    if trainer.features is not None and kept is not None:
        return Route(cut, *kept, trainer.features.enter, run, measured, tail)
    prefix = fold_prefix(trainer.network, cut, trainer.normalize.memory_format)
    return Route(cut, *loaders, enter, BehindPrefix(prefix, run), BehindPrefix(prefix, measured), tail)
