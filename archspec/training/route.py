"""How images become logits in an epoch: through the whole network, past a frozen prefix, or from kept features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

    train_loader: Loader | KeptLoader
    validation_loader: Loader | KeptLoader
    enter: Entrance
    """How a batch of the loaders enters a network."""
    forward: Callable[[Tensor], Tensor]
    """In training: (B, C, H, W) or features -> logits (B, classes)."""
    evaluated: nn.Module
    """What evaluation measures."""
    trained: nn.Module
    """Which part of the network trains, its modules in their own modes but for those that no policy names."""

    @property
    def kept(self) -> bool:
        """Whether the batches are features."""
        return isinstance(self.train_loader, KeptLoader)


class BehindPrefix(nn.Module):
    """A network past its frozen prefix, which is an inference graph."""

    def __init__(self, prefix: Network, tail: Network) -> None:
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

    Raises:
        DataError: features cannot be kept.

    """
    treat(trainer.network, trainer.freezing.phase(epoch).treatments)
    cut = trainer.freezing.cut(epoch)
    loaders, enter = (trainer.train_loader, trainer.validation_loader), trainer.normalize
    if cut is None:
        forward = trainer.forward or trainer.network
        return Route(*loaders, enter, forward, trainer.evaluated, trainer.network)
    tail = tail_of(trainer.network, cut)
    measured = tail if trainer.average is None else tail_of(trainer.evaluated, cut)
    forward = torch.compile(tail) if trainer.recipe.compile else tail
    if trainer.features is not None and (kept := trainer.features.loaders(epoch, cut)) is not None:
        return Route(*kept, trainer.features.enter, forward, measured, tail)
    prefix = fold_prefix(trainer.network, cut, trainer.normalize.memory_format)
    behind = BehindPrefix(prefix, tail)
    return Route(*loaders, enter, behind, BehindPrefix(prefix, measured), behind)
