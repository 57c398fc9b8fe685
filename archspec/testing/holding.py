"""What checks share that prove one offer once, with the options that are held: of data sets, trackers and others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from typing import Any

import torch

from archspec.offers import Options, singular
from archspec.plugins import Plugins
from archspec.plugins.blame import faults_as_they_are
from archspec.spec.dump import data_to_yaml
from archspec.spec.settings import default_options
from archspec.testing.cases import Fault
from archspec.testing.randomness import others_kept
from archspec.testing.threads import one_thread

__tracebackhide__ = True  # of pytest: a test that fails shows its own line, and what the check says


def hold(
    kind: str,
    name: str,
    plugins: Plugins,
    options: Mapping[str, Any] | None,
    prove: Callable[[Options, Path], None],
) -> None:
    """Prove an offer in an empty folder of its own. Random numbers are left as they were.

    Raises:
        AssertionError: `prove` found a fault; the message ends with the options.
        PluginError: there is no such offer.
        DocumentError: an option is wrong.

    """
    held = default_options(kind, name, plugins, **(options or {}))
    try:
        with (
            TemporaryDirectory() as folder,
            torch.random.fork_rng(devices=[]),
            others_kept(),
            one_thread(),
            faults_as_they_are(),
        ):
            prove(held, Path(folder))
    except Fault as fault:
        said = f"\nwith these options:\n{indent(data_to_yaml(dict(options)), '    ')}" if options else ""
        raise AssertionError(f"{singular(kind)} '{name}' of {held.offer.origin}: {fault}{said}") from fault.__cause__
