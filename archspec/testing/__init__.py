"""The test kit for authors of plugins: `check_block("ghost")` in a test holds an offer to what a spec relies on.

A check of a network's part writes specs that hold the offer, with options drawn from its own model, and proves of each
that the plan and the module that torch runs are one network. `check_dataset` opens a data set, with the options that it
is given, `check_sample` writes sample data, `check_transform` lets images through, `check_optimizer`, `check_schedule`,
`check_loss` and `check_freezing_policy` call what a recipe names, `check_tracker` tells of a made-up run,
`check_run_event` trains, `check_exporter` runs the files that are written, and `check_command` asks a command for its
help. No check needs a test runner, and each leaves random numbers as they were.

`archspec.testing.fixtures` has fixtures of pytest; `archspec_run`, a `Runner`, runs whole commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from textwrap import indent
from typing import Any

import torch

from archspec.errors import ArchspecError
from archspec.offers import Options, singular
from archspec.plugins import Plugins, default_plugins
from archspec.plugins.blame import faults_as_they_are
from archspec.spec.dump import data_to_yaml
from archspec.testing.bench import MethodBench
from archspec.testing.cases import Bench, Document, Fault, Impossible
from archspec.testing.commands import check_command
from archspec.testing.datasets import check_dataset
from archspec.testing.exporters import check_exporter
from archspec.testing.freezing import plans_to_freeze, prove_freezing_policy
from archspec.testing.losses import prove_loss
from archspec.testing.optimizers import prove_optimizer
from archspec.testing.proofs import prove
from archspec.testing.randomness import others_kept
from archspec.testing.run_events import check_run_event
from archspec.testing.runner import Runner, RunResult
from archspec.testing.samples import check_sample
from archspec.testing.schedules import prove_schedule
from archspec.testing.threads import one_thread
from archspec.testing.trackers import check_tracker
from archspec.testing.transforms import TransformBench

__all__ = [
    "RunResult",
    "Runner",
    "check_activation",
    "check_attention",
    "check_block",
    "check_command",
    "check_dataset",
    "check_exporter",
    "check_freezing_policy",
    "check_head",
    "check_loss",
    "check_norm",
    "check_optimizer",
    "check_run_event",
    "check_sample",
    "check_schedule",
    "check_shortcut",
    "check_stem",
    "check_tracker",
    "check_transform",
]

__tracebackhide__ = True  # of pytest: a test that fails shows its own line, and what the check says
_ATTEMPTS = 6
"""Documents that are tried for each case that is asked for."""

AnyBench = Bench | TransformBench | MethodBench
Held = Mapping[str, Any] | None


def check_block(
    name: str, *, plugins: Plugins | None = None, options: Held = None, cases: int = 12, seed: int = 0
) -> None:
    """A block divides the map by its strides, and an equal one of stride 1 fits behind it, and keeps the shape.

    `options` are held at these values, written as in a spec; every other option is drawn. At least `cases` possible
    specs are proved, the same ones for the same `seed`. Without `plugins`, the offer is one of an installed package.

    Raises:
        AssertionError: the offer broke a promise, or fits nowhere; the message ends with a spec that shows it.
        PluginError: there is no such offer.
        ValueError: an option must be held, because nothing says what to try.

    """
    _check("blocks", name, plugins, options, cases, seed)


def check_stem(
    name: str, *, plugins: Plugins | None = None, options: Held = None, cases: int = 12, seed: int = 0
) -> None:
    """A stem makes a map of images of any channels and sizes.  Arguments and errors are those of `check_block`."""
    _check("stems", name, plugins, options, cases, seed)


def check_head(
    name: str, *, plugins: Plugins | None = None, options: Held = None, cases: int = 12, seed: int = 0
) -> None:
    """A head ends in `(classes,)`.  Arguments and errors are those of `check_block`."""
    _check("heads", name, plugins, options, cases, seed)


def check_attention(
    name: str, *, plugins: Plugins | None = None, options: Held = None, cases: int = 12, seed: int = 0
) -> None:
    """An attention keeps the shape, inside every built-in block that has one.  Arguments as `check_block`."""
    _check("attentions", name, plugins, options, cases, seed)


def check_norm(
    name: str, *, plugins: Plugins | None = None, options: Held = None, cases: int = 12, seed: int = 0
) -> None:
    """A norm keeps the shape, and writes under the name that it is given.  Arguments as `check_block`."""
    _check("norms", name, plugins, options, cases, seed)


def check_activation(
    name: str, *, plugins: Plugins | None = None, options: Held = None, cases: int = 12, seed: int = 0
) -> None:
    """An activation keeps the shape, and writes under the name that it is given.  Arguments as `check_block`."""
    _check("activations", name, plugins, options, cases, seed)


def check_shortcut(
    name: str, *, plugins: Plugins | None = None, options: Held = None, cases: int = 12, seed: int = 0
) -> None:
    """A shortcut makes the block's channels, and divides the map by its strides.  Arguments as `check_block`."""
    _check("shortcuts", name, plugins, options, cases, seed)


def check_transform(
    name: str, *, plugins: Plugins | None = None, options: Held = None, cases: int = 12, seed: int = 0
) -> None:
    """A transform keeps mode and size, or makes the network's; torch alone draws.  Arguments as `check_block`."""
    plugins = plugins or default_plugins()
    bench = TransformBench(plugins.find("transforms", name), plugins, options or {}, seed)
    _run(bench, bench.prove, cases, seed)


def check_optimizer(
    name: str, *, plugins: Plugins | None = None, options: Held = None, cases: int = 12, seed: int = 0
) -> None:
    """An optimizer obeys its groups, and resumes from a checkpoint as if never stopped.  Arguments as `check_block`."""
    _check_method("optimizers", prove_optimizer, name, plugins, options, cases, seed)


def check_schedule(
    name: str, *, plugins: Plugins | None = None, options: Held = None, cases: int = 12, seed: int = 0
) -> None:
    """A schedule is a function of the step, from 0 to 1, in a run of any length.  Arguments as `check_block`."""
    _check_method("schedules", prove_schedule, name, plugins, options, cases, seed)


def check_loss(
    name: str, *, plugins: Plugins | None = None, options: Held = None, cases: int = 12, seed: int = 0
) -> None:
    """A loss is a batch's mean, of labels as of shares, finite, and weighed by class.  Arguments as `check_block`."""
    _check_method("losses", prove_loss, name, plugins, options, cases, seed)


def check_freezing_policy(
    name: str, *, plugins: Plugins | None = None, options: Held = None, cases: int = 12, seed: int = 0
) -> None:
    """A policy is a function of the epoch, which treats every parameter of any plan.  Arguments as `check_block`."""
    plans = plans_to_freeze(plugins or default_plugins())
    proof = partial(prove_freezing_policy, plans=plans)
    _check_method("freezing_policies", proof, name, plugins, options, cases, seed)


def _check_method(
    kind: str,
    prove: Callable[[Options], None],
    name: str,
    plugins: Plugins | None,
    options: Held,
    cases: int,
    seed: int,
) -> None:
    plugins = plugins or default_plugins()
    bench = MethodBench(plugins.find(kind, name), plugins, options or {}, seed)
    _run(bench, lambda document: prove(bench.read(document)), cases, seed)


def _check(kind: str, name: str, plugins: Plugins | None, options: Held, cases: int, seed: int) -> None:
    plugins = plugins or default_plugins()
    bench = Bench(plugins.find(kind, name), plugins, options or {}, seed)
    _run(bench, lambda document: prove(bench.plan(document), bench), cases, seed)


def _run(bench: AnyBench, prove: Callable[[Document], None], cases: int, seed: int) -> None:
    """Prove cases until there are enough, and every value has had its turn."""
    proved, refusal = 0, ""
    with torch.random.fork_rng(devices=[]), one_thread(), others_kept(), faults_as_they_are():
        for attempt in range(_ATTEMPTS * cases):
            if proved >= cases and not bench.dealer.waiting:
                return
            torch.default_generator.manual_seed(1_000 * seed + attempt)
            document = bench.deal()
            try:
                prove(document)
            except Impossible as error:
                bench.dealer.refuse()
                refusal = _tell(bench, str(error), document)
                continue
            except Fault as fault:
                raise AssertionError(_tell(bench, str(fault), document)) from fault.__cause__
            except Exception as error:
                what = error.message if isinstance(error, ArchspecError) else f"{type(error).__name__}: {error}"
                raise AssertionError(_tell(bench, what, document)) from error
            bench.dealer.accept()
            proved += 1
    assert proved, (
        f"{_subject(bench)} fits nowhere: {_ATTEMPTS * cases} specs were impossible. The last one:\n{refusal}"
    )


def _subject(bench: AnyBench) -> str:
    return f"{singular(bench.offer.kind)} '{bench.offer.name}' of {bench.offer.origin}"


def _tell(bench: AnyBench, what: str, document: dict[str, Any]) -> str:
    where = "spec" if isinstance(bench, Bench) else "case"
    return f"{_subject(bench)}: {what}\nin this {where}:\n{indent(data_to_yaml(document), '    ')}"
