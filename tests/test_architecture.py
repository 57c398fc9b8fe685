"""The house: which module may import which, and what the package shows."""

import ast
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

import archspec


def test_imports_point_down(root, monkeypatch):
    pytest.importorskip("importlinter")
    code = "import sys; from importlinter.cli import lint_imports_command as run; run(['--no-cache'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout
    assert " 0 kept" not in done.stdout


BUILT_IN = sorted((Path(archspec.__file__).parent / "builtin").glob("*.py"))
FOR_PLUGINS = (
    "archspec.errors",
    "archspec.plan.branches",
    "archspec.plan.gates",
    "archspec.data",
    "archspec.finetuning.names",
    "archspec.builtin",
)
"""Errors, operations that the builder has no method for, what a data set is made with, parameters by the parts of a
plan, and one another's."""


@pytest.mark.parametrize("file", BUILT_IN, ids=lambda file: file.stem)
def test_a_built_in_imports_what_a_plugin_may(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("archspec") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "archspec":
            assert {alias.name for alias in node.names} <= set(archspec.__all__)
        elif isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("archspec."):
            assert f"{node.module}.".startswith(tuple(f"{module}." for module in FOR_PLUGINS)), node.module
        elif isinstance(node, ast.ImportFrom):
            assert not node.level


SAMPLES = sorted((Path(__file__).resolve().parent.parent / "plugins").glob("*/**/*.py"))
FOR_SAMPLES = ("archspec.testing", "archspec.errors", "archspec.data")


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_sample_plugin_imports_public_names_alone(file):
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module]
            if node.module == "archspec":
                assert {alias.name for alias in node.names} <= set(archspec.__all__)
        ours = {name for name in names if f"{name}.".startswith("archspec.")}
        assert ours <= {"archspec", *FOR_SAMPLES}, file


def test_there_are_sample_plugins():
    assert len(SAMPLES) > 1


def test_the_public_names_are_sorted_and_complete():
    assert archspec.__all__ == sorted(archspec.__all__)
    assert set(archspec.__all__) == {*archspec._HOMES, "errors"}
    assert dir(archspec) == archspec.__all__


@pytest.mark.parametrize("name", archspec.__all__)
def test_every_public_name_resolves(name):
    value = getattr(archspec, name)
    assert value is not None
    if name in archspec._HOMES and isinstance(value, type | FunctionType):
        assert value.__module__ == archspec._HOMES[name]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'archspec' has no attribute 'nothing'"):
        _ = archspec.nothing


@pytest.mark.parametrize(
    "statement",
    [
        "import archspec",
        "from archspec import ArchSpec, Builder, BlockOptions, Offer, Offered, Plan, Plugins, hookimpl, load_spec",
        "import archspec; archspec.load_spec('resnet34')",
        "from archspec.weights.settings import WeightsSettings",
        "import archspec; archspec.Plugins().offers('blocks')",
    ],
)
def test_what_needs_no_torch_imports_none(statement):
    code = f"import sys; {statement}; print(sorted({{'torch', 'torchvision', 'numpy', 'PIL'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_exceptions_stand_in_the_drawn_tree():
    errors = archspec.errors
    assert errors.PlanError.__mro__[1:3] == (errors.DocumentError, errors.ArchspecError)
    for name in ("DocumentError", "PluginError", "DataError", "WeightsError", "RunError"):
        assert issubclass(getattr(errors, name), errors.ArchspecError)
        assert name in errors.__doc__
