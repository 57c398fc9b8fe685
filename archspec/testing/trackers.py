"""The check of a tracker: it is told of a made-up run, of one that goes on, and of one that never begins."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from archspec.errors import ArchspecError
from archspec.offers import Options
from archspec.plugins import Plugins, default_plugins
from archspec.testing.cases import Fault
from archspec.testing.holding import hold
from archspec.testing.output import standard_output_left_alone
from archspec.testing.randomness import randomness_left_alone
from archspec.testing.tracked_run import BATCHES, EPOCHS, describe_run, epoch_result, step_result
from archspec.training.tracking import Tracker

__tracebackhide__ = True  # of pytest: a test that fails shows its own line, and what the check says
_METHODS = ("begin", "step", "epoch", "close")


def check_tracker(name: str, *, plugins: Plugins | None = None, options: Mapping[str, Any] | None = None) -> None:
    """A tracker follows a run to its end and one that is resumed, and leaves the run as it would be without.

    `options` are written as in a recipe. Without `plugins`, the offer is one of an installed package.

    Raises:
        AssertionError: the offer broke a promise.
        PluginError: there is no such offer.
        DocumentError: an option is wrong.
        ArchspecError: the tracker refuses to be made, as one whose library is missing.

    """
    hold("trackers", name, plugins or default_plugins(), options, _prove)


def _prove(options: Options, folder: Path) -> None:
    _tell_run(options, folder / "first", range(1, EPOCHS + 1))  # what it imports may draw: not counted
    run = folder / "run"
    with randomness_left_alone("following a run", "draw from a generator of your own"), standard_output_left_alone():
        _tell_run(options, run, range(1, EPOCHS))
        _tell_run(options, run, range(2, EPOCHS + 1))  # killed in the last epoch but one, and resumed before it
        _close(_make(options, folder / "never"), "before a run began")
    if (folder / "never").exists():
        raise Fault("it writes something when a run ends before its first step: such a run leaves no directory")


def _tell_run(options: Options, run: Path, epochs: Iterable[int]) -> None:
    """Make a tracker, and tell it of these epochs of a run."""
    epochs, new = list(epochs), not run.exists()
    tracker = _make(options, run)
    if new and run.exists():
        raise Fault("it writes something when it is made: the run directory comes later, with `begin`")
    run.mkdir(parents=True, exist_ok=True)
    before = {path.name for path in run.iterdir()}
    with _blamed("begin"):
        tracker.begin(describe_run(run, done=epochs[0] - 1))
    for epoch in epochs:
        _tell_epoch(tracker, epoch)
    _close(tracker, "at the end")
    others = {path.name for path in run.iterdir()} - before - {options.offer.name}
    if others:
        raise Fault(f"it writes '{min(others)}' beside the folder that is its own, '{options.offer.name}'")


def _make(options: Options, run: Path) -> Tracker:
    try:
        tracker: Tracker = options.offer.make(options, run / options.offer.name)
    except ArchspecError:
        raise
    except Exception as error:
        raise Fault(f"making it fails: {type(error).__name__}: {error}") from error
    for method in _METHODS:
        if not callable(getattr(tracker, method, None)):
            raise Fault(f"`make` must return a tracker, and this {type(tracker).__name__} has no method `{method}`")
    return tracker


def _tell_epoch(tracker: Tracker, epoch: int) -> None:
    """Tell of an epoch, after which nothing of its steps is kept."""
    kept: list[weakref.ref[torch.Tensor]] = []
    for batch in range(1, BATCHES + 1):
        result = step_result(epoch, batch)
        loss, correct = result.loss.clone(), result.correct.clone()
        with _blamed("step"):
            tracker.step(result)
        if not (torch.equal(result.loss, loss) and torch.equal(result.correct, correct)):
            raise Fault("it changes a tensor of a step, which is the run's")
        kept += weakref.ref(result.loss), weakref.ref(result.correct)
    del result
    with _blamed("epoch"):
        tracker.epoch(epoch_result(epoch))
    if any(reference() is not None for reference in kept):
        gc.collect()  # a cycle is no fault, and to look for cycles each time would take seconds
    if any(reference() is not None for reference in kept):
        raise Fault("it still holds tensors of an epoch's steps after the epoch: a long run would fill the memory")


def _close(tracker: Tracker, when: str) -> None:
    for time in ("", ", for the second time"):
        with _blamed("close", f" {when}{time}"):
            tracker.close()


@contextmanager
def _blamed(method: str, when: str = "") -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise Fault(f"`{method}` fails{when}: {type(error).__name__}: {error}") from error
