"""A plugin's mistake is told as the plugin's, with its place, and never as a traceback."""

import sys

import pytest

from archspec.cli.app import run

PLUGIN = """
from archspec import BlockOptions, Offer, Options, hookimpl


def lean(net, x, block):
    {body}


@hookimpl
def archspec_blocks():
    return {{"lean": Offer({options}, lean)}}
"""
GOOD = "return net.conv(x, block.filters, 3, block.strides)"


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes a plugin module, and builds tiny with its block."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names = iter(f"lean_{number}" for number in range(10))

    def build(body=GOOD, options="BlockOptions"):
        name = next(names)
        sys.modules.pop(name, None)
        (tmp_path / f"{name}.py").write_text(PLUGIN.format(body=body, options=options))
        return run(["-p", name, "build", "tiny", "--set", "stages.*.block=lean"])

    return build


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 1 // 0", "ZeroDivisionError"),
        ("return net.conv(x, block.filtres, 3)", "AttributeError"),
        ("return nothing_of_that_name", "NameError"),
        ("return None", "must return the Value that it wrote, not None"),
        ("net.conv(x, 8, 3, name='a'); return net.conv(x, 8, 3, name='a')", "are named 'stages.0.0.a'"),
    ],
)
def test_a_fault_in_a_block_names_the_offer_and_the_plugin(plugin, capsys, body, said):
    assert plugin(body) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "'lean' among blocks of lean_0" in error
    assert "Traceback" not in error


def test_a_block_without_channels_is_told_as_that(plugin, capsys):
    assert plugin("return net.conv(x, 0, 3)") == 1
    assert "0 channels" in capsys.readouterr().err


def test_options_of_the_wrong_base_are_the_plugins_fault(plugin, capsys):
    assert plugin(options="Options") == 1
    error = capsys.readouterr().err
    assert "do not derive from archspec.BlockOptions" in error
    assert "lean_0" in error


def test_a_good_plugin_builds(plugin, capsys):
    assert plugin() == 0
    assert "lean x1" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["lean.py", "./lean.py", ""])
def test_a_file_is_no_name_of_a_module(name, capsys):
    assert run(["-p", name, "check", "tiny"]) == 1
    assert "is no name of a module" in capsys.readouterr().err


def test_blocking_a_plugin_that_is_not_there_is_a_typo(capsys):
    assert run(["-p", "no:blcks", "check", "tiny"]) == 1
    assert "did you mean 'no:blocks'?" in capsys.readouterr().err
