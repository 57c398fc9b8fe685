"""The fixtures for authors of plugins, and the runner of whole commands, as a plugin's own tests have them."""

import subprocess
import sys

import pytest
import torch
from PIL import Image

from archspec.errors import PluginError
from archspec.testing import RunResult
from archspec.testing.fixtures import archspec_plugins, archspec_run, tiny_photos

__all__ = ["archspec_plugins", "archspec_run", "tiny_photos"]

PLUGIN = """
from archspec import BlockOptions, Offer, hookimpl

def lean(net, x, block):
    {body}
    return net.conv(x, block.filters, 3, block.strides)

@hookimpl
def archspec_blocks():
    return {{"lean": Offer(BlockOptions, lean, "a convolution")}}
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch, request):
    """Writes a module with a block called lean, whose function begins with this line; returns the module's name."""
    monkeypatch.syspath_prepend(tmp_path / "modules")
    (tmp_path / "modules").mkdir()

    def write(body="pass"):
        name = f"runner_{abs(hash((str(tmp_path), body)))}"
        (tmp_path / "modules" / f"{name}.py").write_text(PLUGIN.format(body=body))
        request.addfinalizer(lambda: sys.modules.pop(name, None))
        return name

    return write


@pytest.mark.parametrize("child", [False, True])
def test_a_command_is_run_with_a_plugin_of_the_test(archspec_run, plugin, child):
    words = ("-p", plugin(), "check", "tiny", "--set", "stages.*.block=lean", "--json")
    result = archspec_run(*words, child=child)
    assert result.code == 0, result.stderr
    assert result.json["files"][0]["ok"] is True
    assert result.stderr == ""


@pytest.mark.parametrize("child", [False, True])
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("build", "nowhere.yaml", "--json"), 1, "nowhere.yaml"),
        (("chekc",), 2, "Did you mean 'check'?"),
        (("--version",), 0, ""),
    ],
)
def test_code_and_output_are_those_of_the_command(archspec_run, child, words, code, said):
    result = archspec_run(*words, child=child)
    assert result.code == code
    assert said in result.stderr
    assert ("--json" not in words) or result.json["ok"] is False
    assert result.stdout or code == 2


def test_the_command_runs_in_the_folder_of_the_test_and_paths_are_taken_as_arguments(archspec_run, tmp_path):
    (tmp_path / "a.yaml").write_text("extends: tiny\nname: a\n")
    assert archspec_run("check", "a.yaml").code == 0
    assert archspec_run("check", tmp_path / "a.yaml").code == 0


def test_what_is_no_json_says_so_and_what_to_do():
    with pytest.raises(AssertionError, match=r"not one JSON document .*give the command `--json`.* error is 'oh'"):
        _ = RunResult(0, "loaded!\n{}", "oh").json
    with pytest.raises(AssertionError, match="NaN is no JSON"):
        _ = RunResult(0, '{"loss": NaN}', "").json


def test_threads_and_arguments_are_put_back(archspec_run, monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(sys, "argv", ["kept"])
    torch.set_num_threads(2)
    try:
        archspec_run("check", "tiny")
        assert torch.get_num_threads() == 2
        assert sys.argv == ["kept"]
    finally:
        torch.set_num_threads(before)


def test_a_child_that_hangs_is_ended(archspec_run, plugin):
    words = (
        "-p",
        plugin("import threading; threading.Event().wait(600)"),
        "check",
        "tiny",
        "--set",
        "stages.*.block=lean",
    )
    with pytest.raises(subprocess.TimeoutExpired):
        archspec_run(*words, child=True, timeout=0.5)


def test_the_plugins_are_the_given_ones_alone(archspec_plugins, plugin):
    name = plugin()
    loaded = archspec_plugins(name)
    assert [one.module for one in loaded.plugins if not one.module.startswith("archspec.builtin.")] == [name]
    assert "lean" in loaded.offers("blocks")
    assert "lean" not in archspec_plugins().offers("blocks")
    with pytest.raises(PluginError, match="cannot be loaded: ModuleNotFoundError"):
        archspec_plugins("no_such_module")


def test_the_photos_are_a_data_set_that_can_be_learned(archspec_run, tiny_photos):
    files = sorted(tiny_photos.rglob("*.png"))
    assert len(files) == 72
    assert len({file.read_bytes() for file in files}) == 72
    for file in files:
        with Image.open(file) as image:
            assert (image.size, image.mode) == ((24, 24), "RGB")
    few = ("--data", f"imagefolder:{tiny_photos}", "--epochs", 8, "--workers", 0, "--set", "recipe.augmentation=none")
    result = archspec_run("train", "tiny", *few, "--set", "input.size=16", "--out", "run", "--json")
    assert result.code == 0, result.stderr
    assert archspec_run("eval", "run", "--split", "test", "--json").json["top1"] > 0.9


def test_the_kit_is_not_imported_by_pytest_itself():
    """No entry point of ours is pytest's: torch is not loaded in every project of the environment."""
    from importlib.metadata import distribution

    assert all(point.group != "pytest11" for point in distribution("archspec-nn").entry_points)
