"""The check of commands: what `archspec NAME` says of itself, and how it takes what it does not know."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from archspec.offers import Offer, Options
from archspec.plugins import Plugins, default_plugins
from archspec.testing.cases import Fault
from archspec.testing.holding import hold

__tracebackhide__ = True  # of pytest: a test that fails shows its own line, and what the check says
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SECONDS = 60
_BEGINNING = 30
"""So much of a summary stands in one line of the list."""
_UNKNOWN = "--no-such-option-of-any-command"


def check_command(name: str, *, plugins: Plugins | None = None) -> None:
    """A command is listed, tells what it is for, is quick to do so, and refuses an option that it does not have.

    What the command does is for tests of its own: `archspec_run` runs it. Without `plugins`, the offer is one of an
    installed package; of `plugins`, the modules that are named are there.

    Raises:
        AssertionError: the offer broke a promise.
        PluginError: there is no such offer.

    """
    plugins = plugins or default_plugins()
    hold("commands", name, plugins, None, lambda held, folder: _prove(held, plugins, folder))


def _prove(held: Options, plugins: Plugins, folder: Path) -> None:
    offer = held.offer
    if not _NAME.fullmatch(offer.name):
        raise Fault("its name must be small letters and digits, with hyphens between words, as those of all commands")
    if type(held) is not Options or held.model_fields_set:
        raise Fault("its options are click's own: the model of the offer must be archspec.Options itself")
    if not offer.summary:
        raise Fault("it needs a `summary`, which stands in `archspec --help`")
    _prove_described(_make(offer))
    _prove_process(offer, plugins, folder)


def _make(offer: Offer[Options]) -> click.Command:
    try:
        made = offer.make()
    except Exception as error:
        raise Fault(f"making it fails: {type(error).__name__}: {error}; `make` is called without arguments") from error
    if not isinstance(made, click.Command):
        raise Fault(f"`make` must return a click.Command, not {made!r}")
    return made


def _prove_described(command: click.Command) -> None:
    """It and all below it say what they are for, option by option."""
    for path, found in _commands(command, ""):
        if not found.help:
            raise Fault(f"{repr(path) if path else 'it'} says nothing in `--help`: its function needs a docstring")
        for parameter in found.params:
            if isinstance(parameter, click.Option) and not parameter.help and not parameter.hidden:
                whose = (
                    f"the option '{parameter.opts[-1]}' of '{path}'" if path else f"its option '{parameter.opts[-1]}'"
                )
                raise Fault(f"{whose} needs a `help`")


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _commands(below, f"{path} {name}".strip())


def _prove_process(offer: Offer[Options], plugins: Plugins, folder: Path) -> None:
    """In a process of its own, where nothing was imported before."""
    listed = _run(plugins, folder, "--help")
    if not re.search(rf"\b{offer.name}\s+{re.escape(offer.summary[:_BEGINNING])}", listed.stdout):
        raise Fault(f"`archspec --help` does not list it: {_told(listed.stderr)}")
    helped = _run(plugins, folder, offer.name, "--help")
    if helped.returncode != 0:
        raise Fault(f"`archspec {offer.name} --help` ends with {helped.returncode}: {_told(helped.stderr)}")
    if re.search(r"\| +torch$", helped.stderr, re.MULTILINE):
        help = "import it in the function that the command calls, or `archspec --help` takes seconds"
        raise Fault(f"its `--help` imports torch: {help}")
    refused = _run(plugins, folder, offer.name, _UNKNOWN)
    if refused.returncode != 2:
        what = f"`archspec {offer.name} {_UNKNOWN}` ends with {refused.returncode}, and wrong usage with 2"
        raise Fault(f"{what}: let click read all options")


def _run(plugins: Plugins, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    outside = (plugin for plugin in plugins.plugins if plugin.source != "built-in")
    named = [word for plugin in outside if not plugin.version for word in ("-p", plugin.module)]  # not installed
    command = [sys.executable, "-X", "importtime", "-m", "archspec", *named, *words]
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "NO_COLOR": "1"}
    try:
        return subprocess.run(
            command, capture_output=True, text=True, cwd=folder, env=environment, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Fault(f"`archspec {' '.join(words)}` takes more than {_SECONDS} seconds") from error


def _told(text: str) -> str:
    """The first line of a process's warnings or errors, or the last of a traceback."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("import time:")]
    said = [line for line in lines if line.startswith(("error:", "warning:"))] + lines[-1:]
    return said[0] if said else "it says nothing"
