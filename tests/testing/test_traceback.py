"""A failing test of an author's shows the line of the test and the sentence of the check, and no code of archspec."""

import subprocess
import sys

import pytest

PLUGIN = """
from archspec import BlockOptions, Offer, Options, hookimpl

@hookimpl
def archspec_blocks():
    return {"bad": Offer(BlockOptions, lambda net, x, block: net.conv(x, 3, 3))}

@hookimpl
def archspec_trackers():
    return {"bad": Offer(Options, lambda options, folder: None)}

@hookimpl
def archspec_optimizers():
    return {"bad": Offer(Options, lambda options, groups: None)}

@hookimpl
def archspec_datasets():
    return {"bad": Offer(Options, lambda options, seed: None)}

@hookimpl
def archspec_samples():
    return {"bad": Offer(Options, lambda options, folder: None)}

@hookimpl
def archspec_exporters():
    return {"bad": Offer(Options, lambda options, exported, path: None)}

@hookimpl
def archspec_run_events():
    return {"bad": Offer(Options, lambda options, run: None)}

@hookimpl
def archspec_commands():
    return {"bad": Offer(Options, lambda: None, "does nothing")}
"""
KINDS = ["block", "tracker", "optimizer", "dataset", "sample", "exporter", "run_event", "command"]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What pytest says of a test of each kind."""
    folder = tmp_path_factory.mktemp("author")
    (folder / "bad_plugin.py").write_text(PLUGIN)
    tests = "".join(f"def test_{kind}():\n    check_{kind}('bad', plugins=PLUGINS)\n" for kind in KINDS)
    imports = "from archspec import Plugins\nfrom archspec.testing import *\n"
    (folder / "test_bad.py").write_text(f"{imports}PLUGINS = Plugins(['bad_plugin'], installed=False)\n{tests}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, "test_bad.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_failing_check_shows_the_test_and_the_sentence(said, kind):
    (own,) = [part for part in said.split("\n____") if part.split("\n")[0].strip("_ ") == f"test_{kind}"]
    assert f">       check_{kind}('bad', plugins=PLUGINS)" in own
    assert "E       AssertionError: " in own
    assert "archspec/testing" not in own
