"""The run events of a run: who is told what, in which order, and what is put back afterwards."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from archspec.errors import ArchspecError, PluginError
from archspec.offers import Offer
from archspec.plugins import closest
from archspec.plugins.blame import describe_error, place_of
from archspec.training.run_events import RunEvents

if TYPE_CHECKING:
    from archspec.training.evaluation import Evaluation
    from archspec.training.loop import Trainer
    from archspec.training.results import EpochResult
    from archspec.training.run import Run


_PREFIXES = ("run_", "before_", "after_", "epoch_")


@dataclass(frozen=True)
class Events:
    """The run events of a run, as one."""

    acting: tuple[tuple[Offer[Any], RunEvents], ...] = ()

    def run_started(self, trainer: Trainer) -> None:
        self._tell("run_started", trainer)

    def epoch_finished(self, trainer: Trainer, result: EpochResult) -> None:
        self._tell("epoch_finished", trainer, result)

    def run_finished(self, trainer: Trainer) -> None:
        self._tell("run_finished", trainer)

    def evaluate(self, trainer: Trainer, measure: Callable[[], Evaluation]) -> Evaluation:
        """What `measure` finds of the network as events want it measured."""
        kept = self._keep(trainer, "evaluation")
        self._tell("before_evaluation", trainer)
        found = measure()
        self._tell("after_evaluation", trainer, found)
        _put_back(trainer, kept)
        return found

    @contextmanager
    def saving(self, trainer: Trainer) -> Iterator[dict[str, Tensor] | None]:
        """A context in which the network is as events want it saved.

        It yields the network's tensors as training goes on with them; None where they are the same.
        """
        kept = self._keep(trainer, "saving")
        self._tell("before_saving", trainer)
        yield kept
        self._tell("after_saving", trainer)
        _put_back(trainer, kept)

    def tensors(self) -> dict[str, Tensor]:
        """What a resumed run needs of all of them, by `kind.name/key`.

        Raises:
            PluginError: there is something that is no tensor: it would be lost.

        """
        found = {}
        for offer, events in self.acting:
            for key, value in self._call(offer, "tensors", events.tensors).items():
                if not isinstance(value, Tensor):
                    raise PluginError(f"{_what(offer)} must keep tensors, and keeps {key!r} as {type(value).__name__}")
                found[f"{_key(offer)}/{key}"] = value
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Give back to each what `tensors` had of it."""
        for offer, events in self.acting:
            prefix = f"{_key(offer)}/"
            own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            if own:
                self._call(offer, "restore", events.restore, own)

    def act_around(self, when: str) -> bool:
        """Whether any has a method for before or after `evaluation` or `saving`."""
        methods = (f"before_{when}", f"after_{when}")
        pairs = ((type(events), name) for _, events in self.acting for name in methods)
        return any(getattr(kind, name) is not getattr(RunEvents, name) for kind, name in pairs)

    def _keep(self, trainer: Trainer, when: str) -> dict[str, Tensor] | None:
        """A copy of the network's tensors, where an event may change them for that time alone."""
        if not self.act_around(when):
            return None
        return {name: value.detach().clone() for name, value in trainer.network.state_dict().items()}

    def _tell(self, method: str, *arguments: Any) -> None:
        for offer, events in reversed(self.acting) if method.startswith("after_") else self.acting:
            self._call(offer, method, getattr(events, method), *arguments)

    def _call(self, offer: Offer[Any], method: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a plugin's method; what it prints is no output of the command."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return function(*arguments)
        except ArchspecError:
            raise
        except (Exception, SystemExit) as error:
            what = f"{_what(offer)} fails in {method}: {describe_error(error)} ({place_of(error, offer)})"
            raise PluginError(what, help="the last checkpoint is as it was") from error


def _put_back(trainer: Trainer, kept: Mapping[str, Tensor] | None) -> None:
    if kept is not None:
        with torch.no_grad():
            for name, value in trainer.network.state_dict().items():
                value.copy_(kept[name])


def make_events(run: Run, optimizer: Optimizer) -> Events:
    """The run events of a run's recipe, and its optimizer, where it is one.

    Raises:
        PluginError: an offer makes no run events, or fails.

    """
    found = [(options.offer, options.offer.make(options, run)) for options in run.recipe.events]
    if isinstance(optimizer, RunEvents):
        found.append((run.recipe.optimizer.offer, optimizer))
    for offer, events in found:
        _refuse_other(offer, events)
    return Events(tuple(found))


def _refuse_other(offer: Offer[Any], events: object) -> None:
    """Refuse what is none, and a method that would never be called, being misspelt."""
    if not isinstance(events, RunEvents):
        raise PluginError(f"{_what(offer)} must make archspec.RunEvents, not {events!r}")
    known = [name for name in vars(RunEvents) if name.startswith(_PREFIXES)]
    for name in dir(events):
        if name.startswith(_PREFIXES) and name not in known and callable(getattr(type(events), name, None)):
            match = closest(name, known)
            help = f"did you mean '{match}'?" if match else f"there are {', '.join(known)}"
            raise PluginError(f"{_what(offer)} has a method '{name}', which is no event: nothing calls it", help=help)


def _key(offer: Offer[Any]) -> str:
    return f"{offer.kind}.{offer.name}"


def _what(offer: Offer[Any]) -> str:
    return f"'{offer.name}' among {offer.kind} of {offer.origin}"
