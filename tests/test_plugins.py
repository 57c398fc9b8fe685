"""Plugins: found, loaded one by one, blocked, and blamed by name."""

import importlib.metadata as metadata
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

import archspec
from archspec import plugins as plugins_module
from archspec.errors import PluginError
from archspec.hookspecs import KINDS
from archspec.offers import singular
from archspec.plugins import Plugins, default_plugins

GHOST = """
from archspec import BlockOptions, Offer, hookimpl

class GhostOptions(BlockOptions):
    ratio: int = 2

def ghost(net, x, block):
    y = net.conv(x, block.filters // block.ratio, 3, block.strides, name="primary")
    return net.act(net.conv(y, block.filters, 1, name="cheap"))

@hookimpl
def archspec_blocks():
    return {"ghost": Offer(GhostOptions, ghost, "few features, many maps")}
"""
SPEC = """name: haunted
input: {size: 16}
stem: {type: conv, filters: 8, kernel: 3, strides: 1}
stages: [{block: ghost, filters: 12, ratio: 3, strides: 2, repeats: 2}]
head: {type: classifier, classes: 3}
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes an importable module, and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source, name="ghost"):
        name = f"plugin_{name}_{abs(hash((str(tmp_path), source)))}"
        Path(tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        return name

    return write


@pytest.fixture
def install(monkeypatch):
    """Pretends that distributions with entry points are installed."""

    def pretend(*entries):
        found = [
            SimpleNamespace(name=name, value=value, dist=SimpleNamespace(name=dist, version="0.1"))
            for name, value, dist in entries
        ]
        monkeypatch.setattr(metadata, "entry_points", lambda group: found if group == "archspec" else [])

    return pretend


def test_a_block_of_a_plugin_works_in_a_spec(module, write_spec):
    plugins = Plugins([module(GHOST)], installed=False)
    plan = archspec.plan_network(archspec.load_spec(write_spec(SPEC), plugins=plugins))
    assert [name for name, _, _ in plan.tensors()][5:8] == [
        "stem.norm.num_batches_tracked",
        "stages.0.0.primary.weight",
        "stages.0.0.cheap.weight",
    ]
    assert plan.shape(plan.blocks[1].output) == (12, 8, 8)
    network = archspec.compile_network(plan)
    assert network.get_submodule("stages.0.1.primary").out_channels == 4


def test_options_of_a_plugin_are_checked_like_built_in_ones(module, write_spec):
    plugins = Plugins([module(GHOST)], installed=False)
    with pytest.raises(archspec.errors.DocumentError, match=r"(?s)unknown key 'ratoi'.*did you mean 'ratio'\?"):
        archspec.load_spec(write_spec(SPEC.replace("ratio", "ratoi")), plugins=plugins)


def test_an_offer_knows_its_name_kind_and_origin(install, module):
    install(("ghost", module(GHOST), "archspec-ghost"))
    offer = Plugins().find("blocks", "ghost")
    assert (offer.name, offer.kind, offer.origin) == ("ghost", "blocks", "archspec-ghost 0.1")
    known = Plugins().known("blocks")
    assert known.endswith(" built in, 1 from archspec-ghost 0.1)")
    assert Plugins().find("blocks", "basic").origin == f"archspec {archspec.__version__}"


def test_two_offers_of_one_name_are_an_error_that_names_both(install, module):
    install(("a", module(GHOST), "first-ghost"), ("b", module(GHOST + "#"), "second-ghost"))
    with pytest.raises(PluginError, match="two plugins offer 'ghost' among blocks") as caught:
        Plugins().offers("blocks")
    assert "first-ghost 0.1" in caught.value.message
    assert "second-ghost 0.1" in caught.value.message
    assert "-p no:" in caught.value.help
    assert "ghost" in Plugins(blocked=["b"]).offers("blocks")


def test_a_plugin_cannot_replace_a_built_in_block(module):
    plugins = Plugins([module(GHOST.replace('"ghost"', '"basic"'))], installed=False)
    with pytest.raises(PluginError, match=r"offer 'basic' among blocks: .*archspec 0"):
        plugins.offers("blocks")


BROKEN = {
    "raises": "raise RuntimeError('out of luck')",
    "exits": "raise SystemExit(3)",
    "lacks": "import a_module_that_nobody_has",
    "syntax": "def",
    "misspelt": "from archspec import hookimpl\n@hookimpl\ndef archspec_blokcs(): return {}",
    "arguments": "from archspec import hookimpl\n@hookimpl\ndef archspec_blocks(too, many): return {}",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_entry_point_is_a_report_and_the_rest_go_on(install, module, kind):
    install(("broken", module(BROKEN[kind], kind), "broken-dist"), ("ghost", module(GHOST), "archspec-ghost"))
    plugins = Plugins()
    (problem,) = plugins.problems
    assert (problem.name, problem.origin) == ("broken", "broken-dist 0.1")
    assert problem.problem
    assert {"basic", "ghost"} <= set(plugins.offers("blocks"))


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_module_asked_for_by_name_is_an_error(module, kind):
    name = module(BROKEN[kind], kind)
    with pytest.raises(PluginError, match=f"plugin '{name}' cannot be loaded: "):
        Plugins([name], installed=False)


def test_a_misspelt_hook_is_named(module):
    with pytest.raises(PluginError, match="archspec_blokcs"):
        Plugins([module(BROKEN["misspelt"])], installed=False)


def test_a_module_that_does_not_exist_is_an_error():
    with pytest.raises(PluginError, match="No module named 'nowhere_to_be_found'"):
        Plugins(["nowhere_to_be_found"], installed=False)


@pytest.mark.parametrize("blocked", ["ghost", "archspec-ghost"])
def test_a_blocked_plugin_is_not_even_imported(install, module, blocked):
    install(("ghost", module("raise AssertionError('imported')"), "archspec-ghost"))
    plugins = Plugins(blocked=[blocked])
    assert not plugins.problems
    assert "ghost" not in [plugin.name for plugin in plugins.plugins]


def test_a_module_that_is_asked_for_and_blocked_stays_out(install, module):
    install(("zzz", module(BROKEN["raises"]), "broken-dist"))
    name = module(GHOST)
    assert "ghost" not in Plugins([name], blocked=[name]).offers("blocks")


def test_a_built_in_can_be_blocked():
    plugins = Plugins(blocked=["blocks"], installed=False)
    assert "repvgg" in plugins.offers("blocks")
    assert "basic" not in plugins.offers("blocks")
    assert plugins.offers("stems")
    with pytest.raises(PluginError, match="unknown block 'basic'"):
        plugins.find("blocks", "basic")


def test_a_module_named_twice_is_loaded_once(module):
    name = module(GHOST)
    assert "ghost" in Plugins([name, name], installed=False).offers("blocks")


def test_an_installed_plugin_can_be_named_as_a_module_too(install, module):
    name = module(GHOST)
    install(("ghost", name, "archspec-ghost"))
    assert "ghost" in Plugins([name]).offers("blocks")


def test_a_second_entry_point_of_one_name_does_not_throw_out_the_first(install, module):
    install(("ghost", module(GHOST), "archspec-ghost"), ("ghost", module("x = 1"), "archspec-ghost"))
    assert "ghost" in Plugins().offers("blocks")


@pytest.mark.parametrize(
    "returned", ["None", "[]", "{'ghost': 3}", "{'ghost': ghost}", "{3: Offer(GhostOptions, ghost)}", "1 / 0"]
)
def test_a_hook_that_returns_something_else_is_blamed_by_name(module, returned):
    name = module(GHOST.replace('{"ghost": Offer(GhostOptions, ghost, "few features, many maps")}', returned))
    with pytest.raises(PluginError, match=f"plugin '{name}' .*fails in archspec_blocks") as caught:
        Plugins([name], installed=False).offers("blocks")
    assert caught.value.help == f"block it with `-p no:{name}`"


@pytest.mark.parametrize("arguments", ["dict, ghost", "GhostOptions, 3", "GhostOptions(filters=1), ghost"])
def test_an_offer_checks_what_it_is_made_of(module, arguments):
    name = module(GHOST.replace('GhostOptions, ghost, "few features, many maps"', arguments))
    with pytest.raises(PluginError):
        Plugins([name], installed=False).offers("blocks")


def test_a_plugin_can_be_an_object_of_a_module(module):
    source = GHOST.replace(
        "@hookimpl\ndef archspec_blocks():", "class Ghost:\n  @hookimpl\n  def archspec_blocks(self):"
    )
    name = module(source.replace("    return {", "      return {") + "\nplugin = Ghost()\n")
    assert "ghost" in Plugins([f"{name}:plugin"], installed=False).offers("blocks")


def test_the_environment_can_disable_plugins(install, module, monkeypatch):
    install(("ghost", module(GHOST), "archspec-ghost"), ("other", module("x = 1"), "other"))
    for value, loaded in (("", {"ghost", "other"}), ("ghost", {"other"}), ("ghost, other", set()), ("all", set())):
        monkeypatch.setenv("ARCHSPEC_DISABLE_PLUGINS", value)
        found = {p.name for p in plugins_module.default_plugins.__wrapped__().plugins}
        assert found & {"ghost", "other"} == loaded


def test_no_built_in_plugin_is_broken():
    assert Plugins(installed=False).problems == []
    assert default_plugins() is default_plugins()
    assert {"stems", "blocks", "heads", "norms", "activations", "shortcuts"} <= set(KINDS)
    for kind in KINDS:
        for name, offer in Plugins(installed=False).offers(kind).items():
            assert offer.summary, f"{kind} {name} has no summary"


def test_one_of_a_kind_is_said_in_the_singular():
    kinds = ("blocks", "losses", "schedules", "samples", "freezing_policies")
    assert [singular(kind) for kind in kinds] == ["block", "loss", "schedule", "sample", "freezing policy"]
