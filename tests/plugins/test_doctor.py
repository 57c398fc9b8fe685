"""`archspec plugins doctor`: each plugin in a process of its own, whatever it does there."""

import json

import pytest
from waiting import HANG

from archspec.cli.plugins_examine import examine
from archspec.plugins.examined import Examined
from archspec.plugins.installed import Installed, installed_plugins
from archspec.plugins.plugin import Plugin

BAD = {
    "raises": ("raise RuntimeError('out of luck')", "was not loaded: RuntimeError: out of luck"),
    "exits": ("import sys; sys.exit(3)", "was not loaded: it calls sys.exit(3)"),
    "interrupts": ("raise KeyboardInterrupt", "ends the process that imports it: KeyboardInterrupt"),
    "dies": ("import os; os._exit(3)", "ends the process that imports it, with exit code 3"),
    "hangs": ("import threading; threading.Event().wait(600)", "does not end within 0.2 seconds when it is imported"),
    "prints": (
        "print('hello')\nfrom archspec import hookimpl\n@hookimpl\ndef archspec_losses(): return {}",
        "prints on standard output when it is imported: 'hello'",
    ),
    "hookless": ("def archspec_blocks(): return {}", "has no hook, and so it offers nothing"),
    "hook": (
        "from archspec import hookimpl\n@hookimpl\ndef archspec_losses(): 1 / 0",
        "fails in archspec_losses: ZeroDivisionError: division by zero",
    ),
    "misspelt": ("from archspec import hookimpl\n@hookimpl\ndef archspec_blokcs(): return {}", "which is no hook"),
}


@pytest.fixture
def look(installed, site):
    """Installs a plugin of a source, and examines it."""

    def call(source, *, check=False, seconds=HANG):
        installed(source, "bad")
        (entry,) = installed_plugins()
        return examine(entry, check=check, seconds=seconds)

    return call


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_plugin_is_told_and_does_no_harm(look, kind):
    source, said = BAD[kind]
    found = look(source, seconds=0.2 if kind == "hangs" else HANG)
    (problem,) = found.problems
    assert said in problem["message"]
    assert problem["message"].startswith("plugin 'bad' of archspec-bad 0.1 ")
    assert "-p no:bad" in problem["help"] or kind in ("prints", "hookless")
    if kind == "hangs":
        assert found.seconds is None


def test_a_good_plugin_has_no_problem(look, ghost):
    found = look(ghost)
    assert (found.problems, found.checks, found.torch) == ([], [], False)
    assert found.offers == {"blocks": ["ghost"]}
    assert found.seconds > 0


def test_an_import_that_brings_torch_is_told(look, ghost):
    assert look("import torch\n" + ghost).torch


LOSSES = """
from archspec import Offer, Options, hookimpl

class Needed(Options):
    name: str

@hookimpl
def archspec_stems():
    return {"needs": Offer(Needed, lambda net, x, options: x)}

@hookimpl
def archspec_losses():
    return {"lies": Offer(Options, lambda options, weights: lambda logits, targets: logits.sum() * 0 + 3)}

@hookimpl
def archspec_commands():
    return {"greet": Offer(Options, lambda: None)}
"""


def test_checks_are_those_of_the_test_kit(look, ghost):
    found = look(ghost + LOSSES, check=True)
    checks = {(check.kind, check.name): check for check in found.checks}
    assert checks["losses", "lies"].passed is False
    assert checks["commands", "greet"].passed is False
    assert checks["stems", "needs"].passed is None
    assert "it needs options" in checks["stems", "needs"].reason
    assert checks["blocks", "ghost"].passed is True


def test_doctor_tells_all_at_once(install, module, ghost, monkeypatch, capsys):
    """The command's own part: which plugins are looked at, clashes, and the exit code."""
    from archspec.cli import plugins_doctor
    from archspec.cli.app import run
    from archspec.cli.plugins_examine import look_at

    monkeypatch.setattr(plugins_doctor, "examine", lambda entry, check, seconds: look_at(entry, check=check))
    install(("a", module(ghost), "first"), ("b", module(ghost + "\n"), "second"), ("c", "nowhere_at_all", "third"))
    assert run(["-p", "no:c", "plugins", "doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["ok"]
    assert found["blocked"] == ["c"]
    assert [plugin["name"] for plugin in found["plugins"]] == ["a", "b"]
    (clash,) = found["clashes"]
    assert clash["message"] == "the block 'ghost' is offered by first 0.1 and second 0.1"
    assert run(["-p", "no:c", "-p", "no:b", "plugins", "doctor"]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    assert run(["plugins", "doctor"]) == 1
    assert "No module named 'nowhere_at_all'" in capsys.readouterr().out


def test_two_plugins_of_one_name_are_told(install, module, monkeypatch, capsys):
    from archspec.cli import plugins_doctor
    from archspec.cli.app import run
    from archspec.cli.plugins_examine import look_at

    monkeypatch.setattr(plugins_doctor, "examine", lambda entry, check, seconds: look_at(entry, check=check))
    install(("same", module("x = 1"), "first"), ("same", module("x = 2"), "second"))
    assert run(["plugins", "doctor"]) == 1
    assert "first 0.1 and second 0.1 each have a plugin 'same'" in capsys.readouterr().out


def test_a_module_that_is_named_is_looked_at_too(module, ghost, capsys, monkeypatch):
    from archspec.cli import plugins_doctor
    from archspec.cli.app import run

    looked = []

    def look(entry, check, seconds):
        looked.append(entry)
        return Examined(entry.plugin, 0.0)

    monkeypatch.setattr(plugins_doctor, "examine", look)
    name = module(ghost)
    assert run(["-p", name, "plugins", "doctor"]) == 0
    assert [entry.plugin for entry in looked] == [Plugin(name, name, name, "")]
    assert isinstance(looked[0], Installed)


def test_doctor_says_what_blocks_one_of_two_plugins_of_a_distribution(install, module, ghost, monkeypatch, capsys):
    from archspec.cli import plugins_doctor
    from archspec.cli.app import run
    from archspec.cli.plugins_examine import look_at

    monkeypatch.setattr(plugins_doctor, "examine", lambda entry, check, seconds: look_at(entry, check=check))
    one = module(ghost)
    install(("a", one, "first"), ("again", one, "first"))
    assert run(["plugins", "doctor"]) == 0, "a module that two entry points name is loaded once"
    install(("b", module(ghost + "\n"), "first"))
    capsys.readouterr()
    assert run(["plugins", "doctor", "--json"]) == 1
    (clash,) = json.loads(capsys.readouterr().out)["clashes"]
    assert clash["help"] == "block one of them: `-p no:a` or `-p no:b`"
