"""Plugins: found, loaded one by one and only when they are needed, blocked, and blamed by name."""

import sys
from typing import Annotated, Literal

import pytest
from pydantic import Field, create_model

import archspec
from archspec.errors import PluginError
from archspec.hookspecs import KINDS
from archspec.offers import Options, singular
from archspec.plugins import Plugins, default_plugins, plugins_for
from archspec.plugins.shadows import shadowed

SPEC = """name: haunted
input: {size: 16}
stem: {type: conv, filters: 8, kernel: 3, strides: 1}
stages: [{block: ghost, filters: 12, ratio: 3, strides: 2, repeats: 2}]
head: {type: classifier, classes: 3}
"""


def names(plugins):
    """The plugins beside the built-in ones that were loaded."""
    return {plugin.name for plugin in plugins.plugins if plugin.source != "built-in"}


def test_a_block_of_a_plugin_works_in_a_spec(module, ghost, write_spec):
    plugins = Plugins([module(ghost)], installed=False)
    plan = archspec.plan_network(archspec.load_spec(write_spec(SPEC), plugins=plugins))
    assert [name for name, _, _ in plan.tensors()][5:8] == [
        "stem.norm.num_batches_tracked",
        "stages.0.0.primary.weight",
        "stages.0.0.cheap.weight",
    ]
    assert plan.shape(plan.blocks[1].output) == (12, 8, 8)
    network = archspec.compile_network(plan)
    assert network.get_submodule("stages.0.1.primary").out_channels == 4


def test_options_of_a_plugin_are_checked_like_built_in_ones(module, ghost, write_spec):
    plugins = Plugins([module(ghost)], installed=False)
    with pytest.raises(archspec.errors.DocumentError, match=r"(?s)unknown key 'ratoi'.*did you mean 'ratio'\?"):
        archspec.load_spec(write_spec(SPEC.replace("ratio", "ratoi")), plugins=plugins)


def test_an_offer_knows_its_name_kind_and_origin(installed, ghost):
    installed(ghost)
    offer = Plugins().find("blocks", "ghost")
    assert (offer.name, offer.kind, offer.origin) == ("ghost", "blocks", "archspec-ghost 0.1")
    known = Plugins().known("blocks")
    assert known.endswith(" built in, 1 from archspec-ghost 0.1)")
    assert Plugins().find("blocks", "basic").origin == f"archspec {archspec.__version__}"


def test_what_is_built_in_is_found_without_an_import(installed, ghost):
    name = installed(ghost)
    plugins = Plugins()
    archspec.plan_network(archspec.load_spec("resnet18", plugins=plugins))
    assert name not in sys.modules
    assert names(plugins) == set()
    assert plugins.get("blocks", "ghost") is not None
    assert name in sys.modules


def test_a_spec_of_built_ins_does_not_even_look_for_plugins(site, monkeypatch):
    def refuse():
        raise AssertionError("looked for distributions")

    monkeypatch.setattr("archspec.plugins.installed.installed_plugins", refuse)
    archspec.load_spec("resnet18", plugins=Plugins())


def test_a_module_that_is_named_is_found_before_what_is_installed(installed, module, ghost):
    other = installed("raise AssertionError('imported')", "other")
    plugins = Plugins([module(ghost)])
    assert plugins.find("blocks", "ghost")
    assert other not in sys.modules


def test_an_installed_offer_cannot_take_the_place_of_one_of_a_named_module(installed, module, ghost):
    installed(ghost)
    name = module(ghost + "\n")
    plugins = Plugins([name])
    assert plugins.offers("blocks")["ghost"].origin == name
    (problem,) = plugins.problems
    assert f"offers the block 'ghost', which is left out: that name is offered by {name}" in problem.message


def test_two_offers_of_one_name_are_an_error_that_names_both(install, module, ghost):
    install(("a", module(ghost), "first-ghost"), ("b", module(ghost + "\n"), "second-ghost", "0.2"))
    plugins = Plugins()
    with pytest.raises(PluginError, match="two plugins offer 'ghost' among blocks") as caught:
        plugins.find("blocks", "ghost")
    assert "first-ghost 0.1 and second-ghost 0.2" in caught.value.message
    assert caught.value.help == "block one of them: `-p no:a` or `-p no:b`"
    assert "ghost" in Plugins(blocked=["b"]).offers("blocks")


def test_a_clash_is_in_the_way_of_nothing_else(install, module, ghost):
    both = ghost.replace('"few features, many maps")}', '""), "NAME": Offer(GhostOptions, ghost)}')
    install(("a", module(both.replace("NAME", "one")), "a"), ("b", module(both.replace("NAME", "two")), "b"))
    plugins = Plugins()
    assert {"one", "two", "basic"} <= set(plugins.offers("blocks"))
    assert plugins.find("blocks", "one")
    assert "ghost" not in plugins.offers("blocks")
    assert [error.message for error in plugins.clashes("blocks")] == [
        "two plugins offer 'ghost' among blocks: a 0.1 and b 0.1"
    ]
    assert plugins.problems == []


def test_two_named_modules_that_offer_one_name_clash_too(module, ghost):
    plugins = Plugins([module(ghost), module(ghost + "\n")], installed=False)
    assert plugins.find("blocks", "basic")
    with pytest.raises(PluginError, match="two plugins offer 'ghost'"):
        plugins.find("blocks", "ghost")


def test_plugins_of_one_name_are_told_apart_by_their_distributions(install, module, ghost):
    install(("ghost", module(ghost), "first"), ("ghost", module(ghost + "\n"), "second"))
    plugins = Plugins()
    with pytest.raises(PluginError) as caught:
        plugins.find("blocks", "ghost")
    assert caught.value.help == "block one of them: `-p no:first` or `-p no:second`"
    assert [problem.message for problem in plugins.problems] == [
        "plugin 'ghost' of first 0.1 has the name of another plugin, of second 0.1; both are loaded",
        "plugin 'ghost' of second 0.1 has the name of another plugin, of first 0.1; both are loaded",
    ]
    assert plugins.problems[0].help == "block one by its distribution: `-p no:first`"
    plugins = Plugins(blocked=["first"])
    assert plugins.find("blocks", "ghost").origin == "second 0.1"
    assert plugins.problems == []


def test_an_installed_plugin_cannot_replace_what_is_built_in(installed, ghost):
    installed(ghost.replace('"ghost"', '"basic"'))
    told = []
    plugins = Plugins(warn=told.append)
    assert plugins.offers("blocks")["basic"].built_in
    (problem,) = told
    assert problem.hook == "archspec_blocks"
    assert "offers the block 'basic', which is left out: that name is built in" in problem.message
    assert "-p no:ghost" in problem.help
    plugins.offers("blocks")
    assert plugins.problems == told


def test_a_named_module_cannot_replace_what_is_built_in(module, ghost):
    plugins = Plugins([module(ghost.replace('"ghost"', '"basic"'))], installed=False)
    with pytest.raises(PluginError, match="offers the block 'basic', which is left out"):
        plugins.find("blocks", "bottleneck")


def test_names_can_be_reserved(installed, ghost):
    installed(ghost)
    plugins = Plugins(reserved={"blocks": ["ghost"]})
    assert "ghost" not in plugins.offers("blocks")
    assert "that name is built in" in plugins.problems[0].message


BROKEN = {
    "raises": ("raise RuntimeError('out of luck')", "RuntimeError: out of luck"),
    "exits": ("import sys; sys.exit(3)", "it calls sys.exit(3)"),
    "lacks": ("import a_module_that_nobody_has", "No module named 'a_module_that_nobody_has'"),
    "syntax": ("def", "SyntaxError"),
    "misspelt": (
        "from archspec import hookimpl\n@hookimpl\ndef archspec_blokcs(): return {}",
        "it implements 'archspec_blokcs', which is no hook; did you mean 'archspec_blocks'?",
    ),
    "arguments": (
        "from archspec import hookimpl\n@hookimpl\ndef archspec_blocks(too, many): return {}",
        "its archspec_blocks takes 'too', and that hook has no arguments",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_entry_point_is_a_report_and_the_rest_go_on(installed, ghost, kind):
    source, said = BROKEN[kind]
    name = installed(source, "broken", "broken-dist", "2.0")
    installed(ghost)
    plugins = Plugins()
    assert {"basic", "ghost"} <= set(plugins.offers("blocks"))
    (problem,) = plugins.problems
    assert problem.message.startswith("plugin 'broken' of broken-dist 2.0 was not loaded: ")
    assert said in problem.message
    assert problem.help == "block it with `-p no:broken`"
    if kind in ("raises", "exits", "lacks"):
        assert f"{name}.py:1)" in problem.message
    assert [plugin.name for plugin in plugins.plugins if plugin.problem] == ["broken"]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_module_asked_for_by_name_is_an_error(module, kind):
    source, said = BROKEN[kind]
    name = module(source)
    with pytest.raises(PluginError, match=f"plugin '{name}' cannot be loaded: ") as caught:
        Plugins([name], installed=False)
    assert said in caught.value.message


def test_who_finds_no_offer_is_told_of_the_plugins_that_were_not_loaded(installed):
    installed("raise RuntimeError('out of luck')", "broken")
    with pytest.raises(PluginError, match="unknown block 'ghost'") as caught:
        Plugins().find("blocks", "ghost")
    assert "plugin 'broken' of archspec-broken 0.1 was not loaded: RuntimeError: out of luck" in caught.value.help


def test_rewriting_is_for_freezing_policies_alone(installed, ghost):
    installed(ghost.replace('"few features, many maps"', "rewrite=print"))
    plugins = Plugins()
    assert "ghost" not in plugins.offers("blocks")
    assert "it has `rewrite`, which is for freezing policies alone" in plugins.problems[0].message


def test_a_module_that_does_not_exist_is_an_error():
    with pytest.raises(PluginError, match="No module named 'nowhere_to_be_found'"):
        Plugins(["nowhere_to_be_found"], installed=False)


def test_what_a_plugin_prints_when_it_is_imported_is_kept_back_and_told(installed, ghost, capsys):
    installed(ghost + "\nimport sys\nprint('hello')\nsys.stdout.buffer.write(b'there')\n")
    plugins = Plugins()
    assert "ghost" in plugins.offers("blocks")
    assert capsys.readouterr().out == ""
    (problem,) = plugins.problems
    assert problem.message.endswith("prints on standard output when it is imported: 'hello'")


def test_what_a_hook_prints_is_no_output_of_the_command(module, ghost, capsys):
    name = module(ghost.replace("    return {", "    print('hello')\n    return {"))
    assert "ghost" in Plugins([name], installed=False).offers("blocks")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


@pytest.mark.parametrize("blocked", ["ghost", "archspec-ghost"])
def test_a_blocked_plugin_is_not_even_imported(installed, blocked):
    installed("raise AssertionError('imported')")
    plugins = Plugins(blocked=[blocked])
    assert "ghost" not in plugins.offers("blocks")
    assert not plugins.problems
    assert names(plugins) == set()


def test_a_module_that_is_asked_for_and_blocked_stays_out(module, ghost):
    name = module(ghost)
    assert "ghost" not in Plugins([name], blocked=[name], installed=False).offers("blocks")


def test_blocking_what_is_not_there_is_a_typo(installed, ghost):
    installed(ghost)
    with pytest.raises(PluginError, match="there is no plugin 'gohst' to block") as caught:
        Plugins(blocked=["gohst"])
    assert caught.value.help == "did you mean 'no:ghost'?"


def test_a_built_in_can_be_blocked():
    plugins = Plugins(blocked=["blocks"], installed=False)
    assert "repvgg" in plugins.offers("blocks")
    assert "basic" not in plugins.offers("blocks")
    assert plugins.offers("stems")
    with pytest.raises(PluginError, match="unknown block 'basic'"):
        plugins.find("blocks", "basic")


def test_a_module_named_twice_is_loaded_once(module, ghost):
    name = module(ghost)
    assert "ghost" in Plugins([name, name], installed=False).offers("blocks")


def test_an_installed_plugin_can_be_named_as_a_module_too(installed, ghost):
    name = installed(ghost)
    plugins = Plugins([name])
    assert "ghost" in plugins.offers("blocks")
    assert plugins.problems == []


NO_OFFERS = "from archspec import hookimpl\n@hookimpl\ndef archspec_stems(): return {}"


def test_a_second_entry_point_of_one_name_does_not_throw_out_the_first(install, module, ghost):
    install(("ghost", module(ghost), "archspec-ghost"), ("ghost", module(NO_OFFERS), "archspec-ghost"))
    plugins = Plugins()
    assert "ghost" in plugins.offers("blocks")
    assert len([plugin for plugin in plugins.plugins if plugin.name == "ghost"]) == 2
    assert all("has the name of another plugin" in problem.message for problem in plugins.problems)


def test_two_versions_of_a_distribution_are_told(install, module, ghost):
    name = module(ghost)
    install(("ghost", name, "archspec-ghost", "0.1"), ("ghost", name, "archspec-ghost", "0.2"))
    plugins = Plugins()
    assert "ghost" in plugins.offers("blocks")
    (problem,) = plugins.problems
    assert "is also installed in version" in problem.message
    assert {"0.1", "0.2"} <= set(problem.message.replace(",", "").split())
    assert "pip uninstall archspec-ghost" in problem.help


@pytest.mark.parametrize(
    ("requirement", "told"),
    [
        ("archspec-nn>=99", True),
        ("archspec_nn (<0.1)", True),
        ("archspec-nn==0.1.*,!=0.1.0", True),
        ("archspec-nn>=0.1,<99", False),
        ("archspec-nn~=0.1", False),
        ("archspec-nn", False),
        ("archspec-nn>=99; extra == 'new'", False),
        ("numpy>=99", False),
    ],
)
def test_the_versions_of_archspec_that_a_plugin_is_for_are_compared(installed, ghost, requirement, told):
    installed(ghost, "ghost", "archspec-ghost", "0.1", requirement)
    plugins = Plugins()
    assert "ghost" in plugins.offers("blocks")
    assert [f"is for archspec-nn {requirement[11:].strip(' ()')}" in p.message for p in plugins.problems] == [
        True
    ] * told


HOOKS = ["None", "[]", "{'ghost': 3}", "{'ghost': ghost}", "{3: Offer(GhostOptions, ghost)}", "1 / 0", "exit(1)"]
OFFER = '{"ghost": Offer(GhostOptions, ghost, "few features, many maps")}'


@pytest.mark.parametrize("returned", HOOKS)
def test_a_hook_that_returns_something_else_is_blamed_by_name(module, ghost, returned):
    name = module(ghost.replace(OFFER, returned))
    with pytest.raises(PluginError, match=f"plugin '{name}' .*fails in archspec_blocks") as caught:
        Plugins([name], installed=False).offers("blocks")
    assert caught.value.help == f"block it with `-p no:{name}`"


@pytest.mark.parametrize("returned", HOOKS)
def test_a_hook_of_an_installed_plugin_that_fails_is_a_report(installed, ghost, returned):
    installed(ghost.replace(OFFER, returned), "broken")
    plugins = Plugins()
    assert "basic" in plugins.offers("blocks")
    (problem,) = plugins.problems
    assert problem.message.startswith("plugin 'broken' of archspec-broken 0.1 fails in archspec_blocks: ")
    assert (problem.hook, problem.help) == ("archspec_blocks", "block it with `-p no:broken`")


@pytest.mark.parametrize("arguments", ["dict, ghost", "GhostOptions, 3", "GhostOptions(filters=1), ghost"])
def test_an_offer_checks_what_it_is_made_of(module, ghost, arguments):
    name = module(ghost.replace('GhostOptions, ghost, "few features, many maps"', arguments))
    with pytest.raises(PluginError):
        Plugins([name], installed=False).offers("blocks")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("filters: str = 'many'", "its option 'filters' is str, and shadows that of BlockOptions, which is int"),
        ("norm: int = 3", "its option 'norm' is int, and shadows that of BlockOptions, which is Options"),
        ("reshapes: bool = True", "its option 'reshapes' shadows BlockOptions.reshapes"),
        ("offer: str = ''", "its option 'offer' shadows Options.offer"),
        ("copy: bool = True", "its option 'copy' shadows BaseModel.copy"),
        ("block: str = ''", "its option 'block' can never be set"),
    ],
)
def test_an_option_that_shadows_another_leaves_the_offer_out(installed, ghost, option, said):
    installed(ghost.replace("ratio: int = 2", option))
    plugins = Plugins()
    assert "ghost" not in plugins.offers("blocks")
    assert said in plugins.problems[0].message


@pytest.mark.parametrize("option", ["strides: Literal[1, 2] = 1", "bias: bool = True", "filters: int = 64"])
def test_an_option_may_narrow_one_that_it_inherits(module, ghost, option):
    name = module("from typing import Literal\n" + ghost.replace("ratio: int = 2", option))
    assert "ghost" in Plugins([name], installed=False).offers("blocks")


@pytest.mark.parametrize(
    ("name", "annotation", "narrows"),
    [
        ("size", tuple[Annotated[int, Field(ge=8)], int], True),
        ("size", tuple[int, int] | None, True),
        ("size", tuple[int, float], False),
        ("size", tuple[int, ...], False),
        ("size", list[int], False),
        ("names", list[Literal["a", "b"]], True),
        ("names", list[int], False),
        ("names", dict[str, str], False),
    ],
)
def test_an_option_narrows_one_of_a_container_part_by_part(name, annotation, narrows):
    class Base(Options):
        size: tuple[int, int] | None = None
        names: list[str] = []  # noqa: RUF012  # pydantic copies it

    Base.__module__ = "archspec.somewhere"
    made = create_model("Made", __base__=Base, **{name: annotation})
    assert (shadowed(made, "losses") is None) == narrows


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "..", "../a", "null", "True", "a\nb", "größer", "x" * 65, "-a", "a:b"]
)
def test_an_offer_has_a_name_that_can_be_written(installed, ghost, name):
    installed(ghost.replace('{"ghost"', f"{{{name!r}"))
    plugins = Plugins()
    assert name not in plugins.offers("blocks")
    (problem,) = plugins.problems
    assert "which is left out: a name has letters, digits and . _ -" in problem.message


@pytest.mark.parametrize("name", ["g", "ghost-2.1", "Ghost_b", "x" * 64, "7x7"])
def test_names_that_can_be_written_are_taken(module, ghost, name):
    assert name in Plugins([module(ghost.replace('{"ghost"', f"{{{name!r}"))], installed=False).offers("blocks")


def test_what_a_plugin_takes_from_a_model_of_its_own_is_its_own_matter(module, ghost):
    base = "class Base(BlockOptions):\n    kind: int = 3\n\nclass GhostOptions(Base):\n    kind: str = 'a'"
    more = ghost.replace("class GhostOptions(BlockOptions):", base)
    assert "ghost" in Plugins([module(more)], installed=False).offers("blocks")


def test_a_hook_that_is_to_go_is_told(installed, ghost, monkeypatch):
    from archspec import hookspecs

    gone = hookspecs.hookspec(warn_on_impl=DeprecationWarning("archspec_blocks is to go"))
    monkeypatch.setattr(hookspecs, "archspec_blocks", gone(lambda: None), raising=True)
    installed(ghost)
    plugins = Plugins(blocked=["blocks", "mobile", "repvgg", "res2net"])
    assert plugins.find("blocks", "ghost")
    (problem,) = plugins.problems
    assert "uses what later versions will not have: archspec_blocks is to go" in problem.message


def test_a_hook_may_gain_arguments(module, ghost, monkeypatch):
    from archspec import hookspecs

    monkeypatch.setattr(hookspecs, "archspec_blocks", hookspecs.hookspec(lambda plugins: None), raising=True)
    assert "ghost" in Plugins([module(ghost)], installed=False)._manager.hook.archspec_blocks(plugins=None)[0]


def test_a_plugin_can_be_an_object_of_a_module(module, ghost):
    source = ghost.replace(
        "@hookimpl\ndef archspec_blocks():", "class Ghost:\n  @hookimpl\n  def archspec_blocks(self):"
    )
    name = module(source.replace("    return {", "      return {") + "\nplugin = Ghost()\n")
    assert "ghost" in Plugins([f"{name}:plugin"], installed=False).offers("blocks")


def test_the_environment_can_disable_plugins(install, module, ghost, monkeypatch):
    install(("ghost", module(ghost), "archspec-ghost"), ("other", module("x = 1"), "other"))
    for value, loaded in (("", {"ghost", "other"}), ("ghost", {"other"}), ("ghost, other", set()), ("all", set())):
        monkeypatch.setenv("ARCHSPEC_DISABLE_PLUGINS", value)
        plugins = plugins_for()
        plugins.load_installed()
        assert names(plugins) == loaded


def test_the_environment_can_name_modules(module, ghost, monkeypatch):
    name = module(ghost)
    monkeypatch.setenv("ARCHSPEC_LOAD_PLUGINS", f"{name}, {name}")
    assert plugins_for().find("blocks", "ghost").origin == name
    monkeypatch.setenv("ARCHSPEC_LOAD_PLUGINS", "nowhere_to_be_found")
    with pytest.raises(PluginError, match="'nowhere_to_be_found' cannot be loaded") as caught:
        plugins_for()
    assert "ARCHSPEC_LOAD_PLUGINS" in caught.value.help


def test_a_distribution_without_metadata_has_a_name_all_the_same(site, module, ghost):
    folder = site / "archspec_ghost-0.1.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text(f"[archspec]\nghost = {module(ghost)}\n")
    assert Plugins().find("blocks", "ghost").origin == "? ?"


def test_no_built_in_plugin_is_broken():
    assert Plugins(installed=False).problems == []
    Plugins(installed=False)._manager.check_pending()  # no hook of theirs is misspelt
    assert default_plugins() is default_plugins()
    assert {"stems", "blocks", "heads", "norms", "activations", "shortcuts"} <= set(KINDS)
    for kind in KINDS:
        for name, offer in Plugins(installed=False).offers(kind).items():
            assert offer.summary, f"{kind} {name} has no summary"


def test_no_option_of_a_built_in_offer_shadows_another():
    from archspec.plugins.shadows import shadowed

    plugins = Plugins(installed=False)
    assert [
        shadowed(o.options, kind) for kind in KINDS for o in plugins.offers(kind).values() if shadowed(o.options, kind)
    ] == []


def test_one_of_a_kind_is_said_in_the_singular():
    kinds = ("blocks", "losses", "schedules", "samples", "freezing_policies")
    assert [singular(kind) for kind in kinds] == ["block", "loss", "schedule", "sample", "freezing policy"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("class Panic(BaseException): pass\nraise Panic('of a library')", "was not loaded: Panic: of a library ("),
        ("import asyncio\nraise asyncio.CancelledError", "was not loaded: CancelledError ("),
        ("class E(Exception):\n    def __str__(self): return 1 // 0\nraise E", "was not loaded: E ("),
        (
            "from archspec import hookimpl\n@hookimpl\ndef archspec_block(): return {}",
            "did you mean 'archspec_blocks'?",
        ),
        ("def archspec_blocks(): return {}", "has no hook, and so it offers nothing"),
        ("", "has no hook, and so it offers nothing"),
    ],
)
def test_what_cannot_be_loaded_is_one_line_and_in_the_way_of_nothing(installed, source, said):
    installed(source, "bad")
    plugins = Plugins()
    assert "basic" in plugins.offers("blocks")
    (problem,) = plugins.problems
    assert said in problem.message
    assert "\n" not in problem.message
    assert problem.help


def test_ctrl_c_while_a_plugin_is_imported_is_no_fault_of_it(installed):
    installed("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Plugins().offers("blocks")


@pytest.mark.parametrize(
    "source",
    [
        "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\nprint('said')",
        "import sys\nprint('said')\nsys.stdout.close()",
    ],
)
def test_a_plugin_may_wrap_or_close_standard_output(installed, capsys, ghost, source):
    installed(f"{source}\n{ghost}")
    plugins = Plugins()
    assert plugins.find("blocks", "ghost")
    del plugins
    print("still here")
    assert capsys.readouterr().out == "still here\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("class Panic(BaseException): pass\n    raise Panic('of a library')", "fails in archspec_blocks: Panic: of a"),
        ("return {'a': Offer(BlockOptions, print, summary=5)}", "`summary` must be a text, not 5"),
        ("return {'a': Offer(BlockOptions, print, cannot=['a'])}", "`cannot` must be a text, not ['a']"),
        ("class O(BlockOptions): x: 'Nothing' = 1\n    return {'a': Offer(O, print)}", "name 'Nothing' is not defined"),
    ],
)
def test_an_offer_that_is_of_no_use_is_told_with_its_hook(installed, source, said):
    head = "from archspec import BlockOptions, Offer, hookimpl\n\n@hookimpl\ndef archspec_blocks():\n    "
    installed(head + source)
    plugins = Plugins()
    assert "a" not in plugins.offers("blocks")
    (problem,) = plugins.problems
    assert said in problem.message
    assert problem.hook == "archspec_blocks"


def test_distributions_whose_metadata_are_gone_or_broken_are_told_apart(site, module, ghost):
    for name, distribution in (("a", "first"), ("b", "second")):
        folder = site / f"{distribution}-1.dist-info"
        folder.mkdir()
        written = module(ghost.replace('"ghost"', f'"{distribution}"'), f"{distribution}_plugin")
        (folder / "entry_points.txt").write_text(f"[archspec]\n{name} = {written}\n")
    (site / "second-1.dist-info" / "METADATA").write_bytes(b"Name: gr\xf6\xdfe\nVersion: 1\n")
    assert {"first", "second"} <= set(Plugins().offers("blocks"))


def test_an_installed_offer_does_not_settle_a_clash_of_named_modules(installed, module, ghost):
    installed(ghost)
    plugins = Plugins([module(ghost), module(ghost + "\n")])
    assert "ghost" not in plugins.offers("blocks")
    with pytest.raises(PluginError, match="two plugins offer 'ghost'"):
        plugins.find("blocks", "ghost")


def test_versions_of_a_distribution_are_found_however_its_name_is_written(install, module, ghost):
    written = module(ghost)
    install(("ghost", written, "Archspec_Ghost", "1"), ("ghost", written, "archspec-ghost", "2"))
    plugins = Plugins()
    plugins.load_installed()
    (problem,) = plugins.problems
    assert "is also installed in version" in problem.message
