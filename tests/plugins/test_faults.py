"""A plugin's mistake is told as the plugin's, with its place, and never as a traceback."""

import json
import pickle
import sys

import pytest

from archspec.cli.app import run
from archspec.plugins import Plugins

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


TRAINING = """
import sys
import torch
from archspec import Offer, Options, RunEvents, hookimpl

class Rate(Options):
    lr: float = 0.1

class Loud(torch.optim.SGD):
    def step(self, closure=None):
        print("a word")
        return super().step(closure)

class Stepping(torch.optim.SGD):
    def step(self, closure=None):
        raise ValueError("the step is at fault")

def fault(*arguments):
    raise ValueError("the call is at fault")

def leave(*arguments):
    sys.exit("the make is at fault")

def printing(options, weights):
    print("a word")
    return torch.nn.CrossEntropyLoss(weight=weights)

@hookimpl
def archspec_optimizers():
    return {"steps": Offer(Rate, lambda options, groups: Stepping(groups, lr=options.lr)), "leaves": Offer(Rate, leave),
            "prints": Offer(Rate, lambda options, groups: Loud(groups, lr=options.lr))}

@hookimpl
def archspec_losses():
    return {"calls": Offer(Options, lambda options, weights: fault), "prints": Offer(Options, printing)}

@hookimpl
def archspec_schedules():
    return {"calls": Offer(Options, lambda options, steps: fault)}
"""


@pytest.fixture
def train(module, spec_file, photos, tmp_path, capsys):
    """Trains with a setting of the recipe -> exit code, standard output, standard error."""

    def call(setting):
        name = module(TRAINING)
        place = ["--out", str(tmp_path / "run"), "--workers", "0", "--epochs", "1", "--json"]
        data = ["--data", f"imagefolder:{photos}", "--set", f"recipe.{setting}"]
        code = run(["-p", name, "train", str(spec_file), *data, *place])
        return name, code, *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("optimizer=steps", "plugin '{name}' of {name} fails: ValueError: the step is at fault ("),
        ("optimizer=leaves", "'leaves' among optimizers of {name} fails: it calls sys.exit('the make is at fault') ("),
        ("loss=calls", "'calls' among losses of {name} fails: ValueError: the call is at fault ("),
        ("schedule=calls", "'calls' among schedules of {name} fails: ValueError: the call is at fault ("),
    ],
)
def test_a_fault_in_training_is_the_plugins_with_its_place(train, setting, said, tmp_path):
    name, code, out, error = train(setting)
    assert code == 1
    assert said.format(name=name) in error
    assert f"{name}.py:" in error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()
    (told,) = json.loads(out)["errors"]
    assert told["message"] in error


@pytest.mark.parametrize("setting", ["loss=prints", "optimizer=prints"])
def test_what_an_offer_prints_does_not_spoil_the_json_of_a_run(train, setting):
    _, code, out, error = train(setting)
    assert code == 0
    assert json.loads(out)["epochs"] == 1
    assert "a word" in error


def test_a_norm_that_returns_nothing_is_its_plugins_fault(module, capsys):
    source = "from archspec import Offer, Options, hookimpl\n\n@hookimpl\ndef archspec_norms():\n"
    name = module(source + "    return {'nothing': Offer(Options, lambda *a, **k: None)}\n")
    assert run(["-p", name, "build", "tiny", "--set", "stages.*.norm=nothing"]) == 1
    assert f"'nothing' among norms of {name} must return the Value that it wrote" in capsys.readouterr().err


def test_an_offer_of_a_plugin_can_be_pickled(module, ghost):
    offer = Plugins([module(ghost)], installed=False).find("blocks", "ghost")
    assert pickle.loads(pickle.dumps(offer)) == offer


def test_what_a_validator_prints_is_no_output(module, capsys):
    options = "class Lean(BlockOptions):\n    @model_validator(mode='after')\n    def look(self):\n        "
    source = PLUGIN.format(body=GOOD, options="Lean").replace(
        "\n\n@", f"\n{options}print('seen')\n        return self\n\n@", 1
    )
    name = module(f"from pydantic import model_validator\n{source}")
    assert run(["-p", name, "build", "tiny", "--set", "stages.*.block=lean", "--json"]) == 0
    out, error = capsys.readouterr()
    assert json.loads(out)["parts"]
    assert "seen" in error


def test_an_error_that_is_no_exception_is_told_as_the_plugins(plugin, capsys):
    assert plugin("raise type('Panic', (BaseException,), {})('of a library')") == 1
    error = capsys.readouterr().err
    assert "'lean' among blocks of lean_0 fails: Panic: of a library" in error
