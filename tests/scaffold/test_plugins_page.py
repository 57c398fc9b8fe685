"""docs/plugins.md: every hook and argument is there, the ten minutes are followed to the letter, and all code runs."""

import inspect
import os
import re
import runpy
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import archspec.testing
from archspec import Builder, hookspecs
from archspec.hookspecs import KINDS
from archspec.plan.operations import Operation
from archspec.scaffold import KINDS_BY_OPTION, file_of, package_files
from archspec.testing import fixtures

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))
TEN_MINUTES = TEXT.partition("## A block in ten minutes")[2].partition("\n## ")[0]
PUBLISHED = "**Published.**"


def blocks(text):
    """The code blocks of a text, in order."""
    return [(found[1], found[2]) for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def python_files(text):
    """The Python of a text, by the file that its first line names."""
    found = {}
    for language, block in blocks(text):
        if language == "python":
            name, _, source = block.partition("\n")
            assert name.startswith("# "), f"a block of Python begins with the name of its file, not with {name!r}"
            assert name[2:] not in found or found[name[2:]] == source
            found[name[2:]] = source
    return found


def section_of(kind):
    """The section that begins with the hook of a kind."""
    found = [text for text in SECTIONS.values() if text.lstrip().startswith(f"`archspec_{kind}`")]
    assert len(found) == 1, f"docs/plugins.md needs one section that begins with `archspec_{kind}`"
    return found[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_hook_and_argument_has_its_place(kind):
    section = section_of(kind)
    hook = getattr(hookspecs, f"archspec_{kind}")
    for name in inspect.signature(hook).parameters:
        assert f"| `{name}` |" in section, f"archspec_{kind} has the argument {name}, and its section does not"
    made = re.search(r"`make\((.*?)\)", hook.__doc__)
    arguments = re.findall(r"(?:^|, )(\w+)", re.sub(r"\[.*?\]", "", made[1])) if made else []
    table = section.partition("\n| argument |")[2].partition("\n\n")[0]
    documented = {
        name for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for name in re.findall(r"\w+", row)
    }
    assert set(arguments) == documented, f"archspec_{kind}: the table of arguments and the hook differ"


@pytest.mark.parametrize("kind", KINDS)
def test_every_hook_has_a_complete_example_and_its_check(kind):
    section = section_of(kind)
    assert f"<!-- example: {kind} -->" in section
    sources = "".join(python_files(section).values())
    assert f"def archspec_{kind}()" in sources
    check = f"check_{file_of(kind)}"
    assert check in sources
    assert f"`{check}`" in section.partition("<!-- end -->")[2], f"what {check} proves is not said"


def test_the_examples_are_what_the_command_writes(compare_with_golden):
    compare_with_golden(PAGE, runpy.run_path(str(PAGE.parent / "make_plugins.py"))["plugins_page"](TEXT))


@pytest.mark.slow
def test_every_example_of_a_hook_passes_its_tests(tmp_path, environment):
    package = tmp_path / "archspec-demo"
    everything = package_files("demo", KINDS_BY_OPTION.values())
    shown = python_files(TEXT.partition("## Every hook")[2]) | {
        "tests/conftest.py": python_files(TEXT)["tests/conftest.py"]
    }
    needed = {path: everything[path] for path in ("pyproject.toml", "src/archspec_demo/__init__.py")}
    for path, text in (needed | shown).items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text(text)
    environment.install(package)
    done = environment.python("-m", "pytest", "-v", "-p", "no:cacheprovider", cwd=package)
    assert done.returncode == 0, done.said
    assert done.stdout.count("::test_it_keeps_its_promises PASSED") == len(KINDS_BY_OPTION)


def test_the_example_of_an_offer_passes_its_tests(tmp_path, environment):
    files = python_files(TEXT.partition("## Offers and options")[2].partition("## Every hook")[0])
    assert set(files) == {"offers.py", "test_falling.py", "tests/conftest.py"}
    for path in ("offers.py", "test_falling.py"):
        (tmp_path / path).write_text(files[path])
    done = environment.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_falling.py", cwd=tmp_path)
    assert done.returncode == 0, done.said
    assert "2 passed" in done.stdout


# The ten minutes, in one shell. What needs a network is done without it: an environment is a folder, and `pip install`
# makes a package known as it does, by its path and its entry points.

SCRIPTS = {
    "python3": """
import pathlib, sys
assert sys.argv[1:3] == ["-m", "venv"], sys.argv
bin = pathlib.Path(sys.argv[3]) / "bin"
bin.mkdir(parents=True)
(bin / "activate").write_text("export VIRTUAL_ENV=1")
""",
    "pip": """
import os, sys
sys.path.insert(0, os.environ["HELPERS"])
from conftest import Environment
from pathlib import Path
assert os.environ["VIRTUAL_ENV"]
match sys.argv[1:]:
    case ["install", "."]:
        assert 'name = "archspec-nn"' in Path("pyproject.toml").read_text()
    case ["install", "-e", ".[test]"]:
        Environment(Path(os.environ["SITE"])).install(Path.cwd())
    case ["install", "build", "twine"]:
        pass
    case other:
        sys.exit(f"no such pip: {other}")
""",
    "twine": """
import sys
command, *files = sys.argv[1:]
assert command in ("check", "upload"), command
assert sorted(name.rpartition(".")[2] for name in files) == ["gz", "whl"], files
""",
}
MODULES = ("archspec", "pytest", "ruff", "mypy")


def write_commands(folder):
    """Commands of these names, which run this Python."""
    folder.mkdir(parents=True)
    lines = {"python": sys.executable} | {name: f"{sys.executable} -m {name}" for name in MODULES}
    for name, source in SCRIPTS.items():
        script = folder / f"do_{name}.py"
        script.write_text(source)
        lines[name] = f"{sys.executable} {script}"
    for name, line in lines.items():
        (folder / name).write_text(f'#!/bin/bash\nexec {line} "$@"\n')
        (folder / name).chmod(0o755)


@dataclass
class Step:
    """A command of the page, and what it printed."""

    command: str
    shown: str
    code: int = -1
    said: str = ""


def steps_of(text):
    """What is typed, in order: commands, and files between them as commands that copy them."""
    found = []
    for language, block in blocks(text):
        if language == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, shown = part.partition("\n")
                found.append(Step(command, shown))
        elif language == "python":
            name, _, source = block.partition("\n")
            found.append(Step(f"cat > {name[2:]} <<'END OF FILE'\n{source}END OF FILE", ""))
    return found


def follow(steps, environment, home):
    """Type the steps into one shell, in a checkout, with `home` as home."""
    shims = home / ".shims"
    write_commands(shims)
    # a package that is installed on the way is importable in the next command, as with pip's own .pth file
    (environment.site / "paths").write_text(f"{home}/shuffle/archspec-shuffle/src\n")
    variables = environment.variables | {
        "HOME": str(home),
        "PATH": f"{shims}:{os.environ['PATH']}",
        "SITE": str(environment.site),
        "HELPERS": str(Path(__file__).parent),
        "MYPY_CACHE_DIR": str(home / ".mypy"),
    }
    script = "".join(f"{step.command}\ncode=$?; echo; echo @@@ $code\n" for step in steps)
    command = ["bash", "-c", f"exec 2>&1\n{script}"]
    done = subprocess.run(command, cwd=PAGE.parents[1], env=variables, stdout=subprocess.PIPE, text=True, check=True)
    outputs = re.findall(r"(.*?)\n@@@ (\d+)\n", done.stdout, re.DOTALL)
    for step, (said, code) in zip(steps, outputs, strict=True):
        step.said, step.code = said, int(code)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the page is written for a Unix shell")
def test_the_ten_minutes_are_followed_to_the_letter(tmp_path, environment):
    text, published, _ = TEN_MINUTES.partition(PUBLISHED)
    assert published
    steps = steps_of(text)
    follow(steps, environment, tmp_path / "home")
    mistakes = 0
    for before, step in zip([Step("", ""), *steps], steps, strict=False):
        if before.command.startswith("sed "):
            mistakes += 1
            assert step.code == 1, step
            ((_, message),) = [block for block in blocks(text) if block[0] == "text"]
            said = "\n".join(line.removeprefix("E").strip() for line in step.said.splitlines())
            for line in message.splitlines():
                assert line.strip() in said
        else:
            assert step.code == 0, f"$ {step.command}\n{step.said}"
        assert step.said.startswith(step.shown), step
    assert mistakes == 1
    assert (tmp_path / "home" / "shuffle" / "run" / "metrics.jsonl").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the page is written for a Unix shell")
def test_what_is_published_is_the_plugin(tmp_path, environment):
    """`python -m build` fetches its backend from a network."""
    pytest.importorskip("build")
    begin = ["cd ~", "mkdir shuffle; cd shuffle", "export VIRTUAL_ENV=1", "archspec plugins new shuffle --with block"]
    steps = [Step(command, "") for command in (*begin, "cd archspec-shuffle")]
    steps += steps_of(TEN_MINUTES.partition(PUBLISHED)[2])
    follow(steps, environment, tmp_path / "home")
    build = next(step for step in steps if step.command == "python -m build")
    if build.code and "hatchling" in build.said and "No matching distribution" in build.said:
        pytest.skip("there is no network to get the build backend from")
    for step in steps:
        assert step.code == 0, f"$ {step.command}\n{step.said}"
    (wheel,) = (tmp_path / "home" / "shuffle" / "archspec-shuffle" / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert archive.read(points).decode() == "[archspec]\nshuffle = archspec_shuffle\n"
        assert {"archspec_shuffle/block.py", "archspec_shuffle/py.typed"} <= set(archive.namelist())


def test_no_code_block_is_left_out():
    """Every block is Python that a test above runs, a command of the ten minutes, or a message that is compared."""
    apart = TEN_MINUTES, TEXT.partition("## Offers and options")[2]
    assert len(blocks(TEXT)) == sum(len(blocks(text)) for text in apart)
    assert {language for language, _ in blocks(apart[1])} == {"python"}
    assert {language for language, _ in blocks(TEN_MINUTES)} == {"python", "console", "text"}


def test_the_builder_the_operation_and_the_fixtures_are_described():
    section = section_of("blocks").partition("<!--")[0]
    for name in vars(Builder):
        if not name.startswith("_"):
            assert f"`{name}`" in section, f"Builder.{name}"
    for name in vars(Operation):
        if not name.startswith("_"):
            assert re.search(rf"`{name}(\(.*\))?`", SECTIONS["Operations"]), f"Operation.{name}"
    for name in fixtures.__all__:
        assert f"| `{name}` |" in TEXT


def test_every_link_has_a_heading(root):
    for file, anchor in re.findall(r"\]\(([\w./-]*)(#[^)]*)?\)", re.sub(r"https?://\S+?(?=\))", "", TEXT)):
        target = PAGE if not file else (PAGE.parent / file)
        assert target.exists(), file
        if anchor:
            headings = [heading.lower() for heading in re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)]
            assert anchor[1:] in {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in headings}, anchor


def test_the_page_names_no_argument_that_a_check_lacks():
    table = re.findall(
        r"^\| `(\w+)` \|", TEXT.partition("## The test kit")[2].partition("Fixtures of")[0], re.MULTILINE
    )
    assert set(table) == set(inspect.signature(archspec.testing.check_block).parameters) - {"name"}
