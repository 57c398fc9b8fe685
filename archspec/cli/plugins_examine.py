"""One plugin looked at in a process of its own, which may hang or die without harm."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

from archspec.errors import ArchspecError
from archspec.hookspecs import KINDS
from archspec.offers import singular
from archspec.plugins import Plugin, Plugins, Problem
from archspec.plugins.examined import Check, Examined
from archspec.plugins.installed import Installed


def examine(entry: Installed, *, check: bool, seconds: float) -> Examined:
    """Import a plugin, look at what it offers, and with `check` hold that to its promises, in so many seconds."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_in_child, args=(sender, entry, check))
    process.start()
    sender.close()
    try:
        found: Examined | None = receiver.recv() if receiver.poll(seconds) else None
        what = f"does not end within {seconds:g} seconds when it is imported{' and checked' if check else ''}"
    except EOFError:  # the process ended first
        process.join()
        found, what = None, f"ends the process that imports it, with exit code {process.exitcode}"
    finally:
        process.kill()
        process.join()
        receiver.close()
    return found if found is not None else Examined(entry.plugin, problems=[_gone(entry.plugin, what)])


def _gone(plugin: Plugin, what: str) -> dict[str, Any]:
    return Problem(plugin, what, f"block it with `-p no:{plugin.name}`").record()


def _in_child(sender: Connection, entry: Installed, check: bool) -> None:
    os.dup2(2, 1)  # what a plugin prints in whatever way is not the command's output
    try:
        sender.send(look_at(entry, check=check))
    except KeyboardInterrupt:  # the terminal's, or the plugin's own
        os._exit(130)
    sender.close()
    os._exit(0)  # a plugin's threads and exit handlers are not waited for


def look_at(entry: Installed, *, check: bool) -> Examined:
    """What is found of a plugin in this process."""
    from archspec.cli.app import COMMANDS

    plugins = Plugins(installed=False, reserved={"commands": COMMANDS})
    began, had_torch = time.perf_counter(), "torch" in sys.modules
    plugins.load_entry(entry)
    seconds = time.perf_counter() - began
    offers: dict[str, list[str]] = {}
    for kind in KINDS:
        names = [name for name, offer in plugins.offers(kind).items() if not offer.built_in]
        offers |= {kind: names} if names else {}
    torch = "torch" in sys.modules and not had_torch
    checks = [_check(kind, name, plugins) for kind, names in offers.items() for name in names] if check else []
    plugin = plugins.plugins[-1] if plugins.plugins[-1].key == entry.plugin.key else entry.plugin
    problems = [problem.record() for problem in plugins.problems]
    return Examined(plugin, seconds, torch, offers, problems, checks)


def _check(kind: str, name: str, plugins: Plugins) -> Check:
    """Hold an offer to its promises by the check of its kind, without options."""
    try:
        _checks()[kind](name, plugins=plugins)
    except AssertionError as fault:
        return Check(kind, name, False, str(fault))
    except (ArchspecError, ValueError) as refusal:  # what it needs, nobody has said: a folder, a required option
        said = refusal.message if isinstance(refusal, ArchspecError) else str(refusal)
        return Check(kind, name, None, f"it needs options: {said.splitlines()[0]}")
    except (Exception, SystemExit) as error:
        return Check(kind, name, False, f"{type(error).__name__}: {error}")
    return Check(kind, name, True)


@cache
def _checks() -> dict[str, Callable[..., None]]:
    """The checks of `archspec.testing`, by kind."""
    from archspec import testing

    return {kind: getattr(testing, f"check_{singular(kind).replace(' ', '_')}") for kind in KINDS}
