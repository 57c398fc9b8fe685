"""`archspec plugins`, and the commands that plugins add: on the screen and as JSON."""

import contextlib
import io
import json
import re

import pytest

from archspec.cli.app import run

GREET = """
import click
from archspec import Offer, Options, hookimpl

@click.command()
@click.argument("name")
@click.pass_obj
def greet(plugins, name):
    '''Say hello to NAME.'''
    if name == "nobody":
        raise ValueError("nobody is there")
    if name == "leave":
        raise SystemExit(3)
    click.echo(f"hello {name}, of {len(plugins.plugins)} plugins")

@hookimpl
def archspec_commands():
    return {"NAME": Offer(Options, lambda: greet, "greets people")}
"""


@pytest.fixture
def cli():
    def call(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([str(argument) for argument in arguments])
        return code, out.getvalue(), err.getvalue()

    return call


def greeting(name):
    return GREET.replace('"NAME"', f'"{name}"')


def test_a_plugin_adds_a_command(installed, cli):
    installed(greeting("greet"), "greet")
    code, out, _ = cli("greet", "Ada")
    assert code == 0
    assert out.startswith("hello Ada, of ")


def test_help_lists_the_commands_of_plugins_by_the_names_that_are_offered(installed, cli):
    installed(greeting("greeting"), "greet")
    code, out, err = cli("--help")
    assert (code, err) == (0, "")
    assert re.search(r"greeting +greets people", out)
    assert "check" in out


def test_a_misspelt_command_may_be_a_plugins(installed, cli):
    installed(greeting("greet"), "greet")
    code, _, err = cli("gret")
    assert code == 2
    assert "Did you mean 'greet'?" in err


def test_a_command_of_archspec_imports_no_plugin(installed, cli):
    installed("raise AssertionError('imported')", "broken")
    code, _, err = cli("check", "tiny")
    assert (code, err) == (0, "")


def test_a_command_named_like_one_of_archspec_is_refused_and_told(installed, cli):
    installed(greeting("check"), "greet")
    code, out, err = cli("--help")
    assert code == 0
    assert "offers the command 'check', which is left out: that name is built in" in err
    assert "greets people" not in out
    assert cli("check", "tiny")[1].startswith("ok")


def test_a_fault_in_a_command_is_the_plugins(installed, cli):
    name = installed(greeting("greet"), "greet")
    code, _, err = cli("greet", "nobody")
    assert code == 1
    assert "plugin 'greet' of archspec-greet 0.1 fails: ValueError: nobody is there" in err
    assert f"{name}.py:11)" in err
    with pytest.raises(SystemExit) as left:
        cli("greet", "leave")
    assert left.value.code == 3


@pytest.mark.parametrize("made", ["lambda: 3", "lambda: 1 / 0"])
def test_a_command_that_cannot_be_made_is_left_out_of_the_list(installed, cli, made):
    installed(greeting("greet").replace("lambda: greet", made), "greet")
    code, out, err = cli("--help")
    assert code == 0
    assert "greets people" not in out
    assert "'greet' among commands of archspec-greet 0.1" in err
    code, _, err = cli("greet", "Ada")
    assert code == 1
    assert "'greet' among commands of archspec-greet 0.1" in err


def test_an_unknown_block_warns_of_a_plugin_that_could_not_be_loaded(installed, cli):
    installed("raise RuntimeError('out of luck')", "broken")
    assert json.loads(cli("check", "tiny", "--set", "stages.0.block=ghost", "--json")[1])
    code, _, err = cli("check", "tiny", "--set", "stages.0.block=ghost")
    assert code == 1
    warning = err.index("warning: plugin 'broken' of archspec-broken 0.1 was not loaded: RuntimeError: out of luck")
    assert warning < err.index("unknown block 'ghost'")
    assert err.count("warning:") == 1


def test_what_a_plugin_prints_does_not_spoil_the_json(installed, cli, ghost):
    noisy = ghost.replace("    y = net.conv", "    print('from the block')\n    y = net.conv", 1)
    noisy = noisy.replace("    return {", "    print('from the hook')\n    return {")
    installed(noisy + "\nprint('from the import')\n")
    code, out, err = cli("build", "tiny", "--set", "stages.0.block=ghost", "--json")
    assert code == 0
    assert json.loads(out)["name"] == "tiny"
    for place in ("import", "hook", "block"):
        assert f"from the {place}" in err


def test_list_tells_of_problems_and_clashes(install, module, installed, ghost, cli):
    install(("a", module(ghost), "first"), ("b", module(ghost + "\n"), "second"))
    installed("raise RuntimeError('out of luck')", "broken")
    installed(ghost.replace('"ghost"', '"basic"'), "proud")
    code, out, err = cli("plugins", "list", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [plugin["name"] for plugin in found["plugins"] if plugin["problem"]] == ["broken"]
    assert [problem["plugin"] for problem in found["problems"]] == ["broken", "proud"]
    assert [problem["hook"] for problem in found["problems"]] == [None, "archspec_blocks"]
    assert all("-p no:" in problem["help"] for problem in found["problems"])
    assert [clash["message"] for clash in found["clashes"]] == [
        "two plugins offer 'ghost' among blocks: first 0.1 and second 0.1"
    ]
    text = " ".join(cli("plugins", "list")[1].split())
    for said in ("not loaded: RuntimeError: out of luck", "is left out: that name is built in", "two plugins offer"):
        assert said in text


ABOUT = '"few features, many maps", docs="https://ghost.example", cannot="dilate")'


def test_show_tells_what_an_offer_is(installed, ghost, cli):
    installed(ghost.replace('"few features, many maps")', ABOUT))
    code, out, _ = cli("plugins", "show", "ghost", "--json")
    assert code == 0
    found = json.loads(out)
    (plugin,), (offer,) = found["plugins"], found["offers"]
    assert plugin["distribution"] == "archspec-ghost"
    assert (offer["kind"], offer["name"], offer["origin"]) == ("blocks", "ghost", "archspec-ghost 0.1")
    assert (offer["docs"], offer["cannot"]) == ("https://ghost.example", "dilate")
    options = {option["name"]: option for option in offer["options"]}
    assert options["filters"]["required"]
    assert options["ratio"] == {
        "name": "ratio",
        "value": "whole number",
        "required": False,
        "default": 2,
        "meaning": "",
    }
    assert (options["norm"]["value"], options["norm"]["default"]) == ("a norm", "batch")
    text = " ".join(cli("plugins", "show", "archspec-ghost")[1].split())
    for said in ("plugin ghost of archspec-ghost 0.1", "docs: https://ghost.example", "cannot: dilate", "required"):
        assert said in text


def test_show_finds_built_in_offers_of_every_kind(cli):
    from archspec.hookspecs import KINDS
    from archspec.plugins import default_plugins

    for kind in KINDS:
        for name in default_plugins().offers(kind):
            code, out, err = cli("plugins", "show", name, "--json")
            assert code == 0, err
            assert kind in [offer["kind"] for offer in json.loads(out)["offers"]]
            for offer in json.loads(out)["offers"]:
                assert all(option["value"] != "value" for option in offer["options"]), name


def test_show_of_a_name_that_nobody_has(cli):
    code, _, err = cli("plugins", "show", "bottelneck")
    assert code == 1
    assert "no plugin and no offer is named 'bottelneck'" in err
    assert "did you mean 'bottleneck'?" in err


def test_show_of_a_clash_is_the_clash(install, module, ghost, cli):
    install(("a", module(ghost), "first"), ("b", module(ghost + "\n"), "second"))
    code, _, err = cli("plugins", "show", "ghost")
    assert code == 1
    assert "two plugins offer 'ghost'" in err
