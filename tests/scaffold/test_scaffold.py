"""`archspec plugins new`: a package that installs, passes its tests, ruff and mypy, or one clear error and nothing."""

import ast
import json
import os
import subprocess
import sys
import tomllib
import zipfile

import pytest

import archspec
from archspec import Plugins, __version__, scaffold
from archspec.cli.app import run
from archspec.hookspecs import KINDS
from archspec.scaffold import KINDS_BY_OPTION, package_files, read_kinds, supported, write_package

EVERYTHING = ",".join(KINDS_BY_OPTION)
WRITTEN = list(KINDS_BY_OPTION.values())
LONGEST = "abcdefghi-abcdefghij-abcdefghi"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, which is the current one."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.slow
def test_a_package_passes_its_own_tests(here, environment):
    """The examples of the other kinds are on docs/plugins.md, whose test runs all of them."""
    offers = ("block", "dataset", "optimizer", "freezing-policy")
    assert run(["plugins", "new", "demo", "--with", ",".join(offers)]) == 0
    environment.install(here / "archspec-demo")
    done = environment.python("-m", "pytest", "-v", "-p", "no:cacheprovider", cwd=here / "archspec-demo")
    assert done.returncode == 0, done.said
    for option in offers:
        assert f"tests/test_{option.replace('-', '_')}.py::test_it_keeps_its_promises PASSED" in done.stdout


@pytest.mark.slow
def test_its_types_are_strict(here, environment):
    pytest.importorskip("mypy")
    package = write_package("demo", WRITTEN, here)
    done = environment.python("-m", "mypy", cwd=package)
    assert done.returncode == 0, done.said
    files = sum(1 for _ in package.rglob("*.py"))
    assert f"Success: no issues found in {files} source files" in done.stdout


@pytest.mark.parametrize("name", ["a", LONGEST])
def test_ruff_finds_nothing_whatever_the_name(here, environment, name):
    pytest.importorskip("ruff")
    package = write_package(name, WRITTEN, here)
    for words in (["check", "."], ["format", "--check", "."]):
        done = environment.python("-m", "ruff", *words, "--no-cache", cwd=package)
        assert done.returncode == 0, done.said


def test_every_kind_of_offer_has_a_template():
    assert set(WRITTEN) == set(KINDS)


@pytest.mark.parametrize("kind", WRITTEN)
def test_each_kind_stands_alone(kind):
    """A hook, its example, its check, and no import of a file that is not there."""
    files = package_files("ghost-net", [kind])
    assert "$" not in "".join(text for path, text in files.items() if path.endswith((".py", ".toml")))
    init = files["src/archspec_ghost_net/__init__.py"]
    assert f'__all__ = [\n    "archspec_{kind}",\n]' in init
    for path, text in files.items():
        for node in ast.walk(ast.parse(text)) if path.endswith(".py") else ():
            if isinstance(node, ast.ImportFrom) and node.level:
                assert f"src/archspec_ghost_net/{node.module}.py" in files
    (test,) = (text for path, text in files.items() if path.startswith("tests/test_"))
    assert f'check_{scaffold.file_of(kind)}("ghost-net"' in test
    assert "ghost-net" in files["README.md"].partition("```console")[2].partition("## Work")[0]


PUBLIC = {"archspec", "archspec.errors", "archspec.testing", "archspec.testing.fixtures"}
"""What an example may import of archspec, and anything below `archspec.data`."""


@pytest.mark.parametrize("kind", WRITTEN)
def test_an_example_imports_what_a_plugin_may(kind):
    for text in (text for path, text in package_files("demo", [kind]).items() if path.endswith(".py")):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and not node.level and node.module.startswith("archspec"):
                assert node.module in PUBLIC or node.module.startswith("archspec.data"), node.module
                if node.module == "archspec":
                    assert {alias.name for alias in node.names} <= set(archspec.__all__)


def test_the_entry_point_and_the_versions_are_those_of_the_package(here):
    package = write_package("ghost-net", ["blocks", "freezing_policies"], here)
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["name"] == package.name == "archspec-ghost-net"
    assert project["entry-points"] == {"archspec": {"ghost-net": "archspec_ghost_net"}}
    assert project["dependencies"] == ["archspec-nn>={},<{}".format(*supported(__version__))]
    assert project["description"] == "A plugin of archspec: a block and a freezing policy"
    assert (package / "src" / "archspec_ghost_net" / "py.typed").exists()
    assert "${{ matrix.python }}" in (package / ".github" / "workflows" / "test.yml").read_text()
    assert not list(here.glob(".*"))


@pytest.mark.parametrize(
    ("version", "versions"), [("0.1.0", ("0.1.0", "0.2")), ("0.9.3", ("0.9.3", "0.10")), ("1.4.2", ("1.4.2", "2"))]
)
def test_a_plugin_supports_archspec_up_to_the_next_version_that_may_break_it(version, versions):
    assert supported(version) == versions


def test_kinds_are_named_in_the_singular_and_understood_in_the_plural():
    assert read_kinds("freezing-policy,block") == ["blocks", "freezing_policies"]
    assert read_kinds(" Blocks, freezing_policies losses,block ") == ["blocks", "freezing_policies", "losses"]
    assert set(read_kinds(EVERYTHING)) == set(WRITTEN)


def test_the_command_says_what_it_wrote(here, cli_json):
    found = cli_json("plugins", "new", "demo", "--with", "block,loss")
    assert found["folder"] == "archspec-demo"
    assert found["offers"] == ["block", "loss"]
    assert {"pyproject.toml", "src/archspec_demo/block.py", "tests/test_loss.py", ".gitignore"} <= set(found["files"])
    for path in found["files"]:
        assert (here / "archspec-demo" / path).is_file()


@pytest.fixture
def cli_json(capsys):
    def call(*words):
        assert run([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return call


BAD = {
    ("Ghost Net", "block"): "'Ghost Net' cannot name a plugin; did you mean 'ghost-net'?",
    ("ghost_net", "block"): "'ghost_net' cannot name a plugin; did you mean 'ghost-net'?",
    ("2fast", "block"): "'2fast' cannot name a plugin\n",
    ("", "block"): "'' cannot name a plugin\n",
    ("../ghost", "block"): "'../ghost' cannot name a plugin; did you mean 'ghost'?",
    ("ghost--net", "block"): "did you mean 'ghost-net'?",
    (LONGEST + "x", "block"): f"did you mean '{LONGEST}'?",
    (
        "archspec-ghost",
        "block",
    ): "begins with 'archspec-', which is added by itself\n  help: say ghost",
    ("ghost", "blok"): "a plugin cannot offer a 'blok'; did you mean 'block'?\n  help: known: stem, block, ",
    ("ghost", "block,polcy"): "a plugin cannot offer a 'polcy'",
    ("ghost", "freezing"): "a plugin cannot offer a 'freezing'",
    ("ghost", ","): "`--with` names nothing",
    ("basic", "stem,block"): "'basic' is the name of a built-in block",
    ("imagefolder", "dataset"): "'imagefolder' is the name of a built-in dataset",
    ("nn", "block"): "'nn' cannot name a plugin: archspec itself is distributed as archspec-nn",
    ("all", "block"): "'all' cannot name a plugin: ARCHSPEC_DISABLE_PLUGINS=all means every plugin",
    ("null", "loss"): "'null' cannot name a plugin: a document reads it as a value",
    ("stems", "loss"): "'stems' is the name of a built-in plugin",
}


@pytest.mark.parametrize(("name", "offers"), BAD)
def test_what_cannot_be_is_one_error_and_leaves_nothing(here, capsys, name, offers):
    assert run(["plugins", "new", "--with", offers, "--", name]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert BAD[name, offers] in said.err
    assert list(here.iterdir()) == []


def test_a_name_that_another_kind_has_is_free(here):
    assert "basic" in Plugins(installed=False).offers("blocks")
    assert run(["plugins", "new", "basic", "--with", "loss"]) == 0


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_nothing_that_is_there_is_replaced(here, capsys, kind):
    target = here / "archspec-demo"
    {"folder": target.mkdir, "file": target.touch, "dangling link": lambda: target.symlink_to("nowhere")}[kind]()
    assert run(["plugins", "new", "demo"]) == 1
    assert "'archspec-demo' exists already" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["archspec-demo"]
    assert not target.is_dir() or not list(target.iterdir())


def test_a_disk_that_fills_up_leaves_nothing(here, monkeypatch, capsys):
    written = []
    write = type(here).write_text

    def fill_up(path, *arguments, **keywords):
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        written.append(path)
        return write(path, *arguments, **keywords)

    monkeypatch.setattr(type(here), "write_text", fill_up)
    assert run(["plugins", "new", "demo"]) == 1
    assert "error: 'archspec-demo' cannot be written: No space left on device" in capsys.readouterr().err
    assert list(here.iterdir()) == []


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_may_not_be_written_to(here, capsys):
    here.chmod(0o500)
    assert run(["plugins", "new", "demo"]) == 1
    assert "cannot be written: Permission denied" in capsys.readouterr().err


def test_no_torch_is_imported_for_it(here):
    code = "import sys; from archspec.cli.app import run; run(sys.argv[1:]); print('torch' in sys.modules)"
    words = ["plugins", "new", "demo", "--with", EVERYTHING]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
    assert (here / "archspec-demo").is_dir()


@pytest.mark.slow
def test_the_wheel_holds_the_templates(root, tmp_path):
    """It is built by pip, in an environment that needs the build backend: from a network, or not at all."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "hatchling" in done.stderr and "Could not find" in done.stderr:
        pytest.skip("there is no network to get the build backend from")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    template = root / "archspec" / "scaffold" / "template"
    files = [path for path in template.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(files) > len(KINDS)
    assert {path.relative_to(root).as_posix() for path in files} <= names
