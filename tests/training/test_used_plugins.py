"""A run knows the plugins that its documents name, and says which one is not here."""

import json

import pytest

from archspec.cli.app import run
from archspec.offers import offers_in
from archspec.plugins import Plugins
from archspec.training.code import used_plugins
from archspec.training.documents import load_recipe

SOURCE = """
import torch
from archspec import BlockOptions, FreezingOptions, Offer, Options, RunEvents, TransformOptions, hookimpl

class Rate(Options):
    lr: float = 0.05

class Quiet:
    def __init__(self, options, folder): pass
    def begin(self, info): pass
    def step(self, result): pass
    def epoch(self, result): pass
    def close(self): pass

class Crop(TransformOptions):
    makes_size = True

def block(net, x, options):
    return net.act(net.norm(net.conv(x, options.filters, 3, options.strides, name="conv"), name="norm"))

def crop(options, preprocessing):
    return lambda image: image.resize(preprocessing.size[::-1])

@hookimpl
def archspec_blocks():
    return {"ours": Offer(BlockOptions, block)}

@hookimpl
def archspec_optimizers():
    return {"ours": Offer(Rate, lambda options, groups: torch.optim.SGD(groups, lr=options.lr))}

@hookimpl
def archspec_schedules():
    return {"ours": Offer(Options, lambda options, steps: lambda step: 1.0)}

@hookimpl
def archspec_losses():
    return {"ours": Offer(Options, lambda options, weights: torch.nn.CrossEntropyLoss(weight=weights))}

@hookimpl
def archspec_freezing_policies():
    def make(options, plan):
        found = options.treatments(plan, {n: 1.0 for n, _, trained in plan.tensors() if trained})
        return lambda epoch: found
    return {"ours": Offer(FreezingOptions, make)}

@hookimpl
def archspec_trackers():
    return {"ours": Offer(Options, Quiet)}

@hookimpl
def archspec_run_events():
    return {"ours": Offer(Options, lambda options, run: RunEvents())}

@hookimpl
def archspec_transforms():
    return {"ours": Offer(Crop, crop)}
"""
CHOICES = {
    "block": "stages.0.block=ours",
    "optimizer": "recipe.optimizer=ours",
    "schedule": "recipe.schedule=ours",
    "loss": "recipe.loss=ours",
    "freeze": "recipe.freeze=ours",
    "tracker": "recipe.trackers=[ours]",
    "events": "recipe.events=[ours]",
    "transform": "recipe.augmentation=ours",
}


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder with one plugin installed, the only one that is found; its version is 0.1."""
    from importlib import metadata

    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "ours_plugin.py").write_text(SOURCE)
    set_version(folder, "0.1")
    found = metadata.distributions
    monkeypatch.setattr(metadata, "distributions", lambda: found(path=[str(folder)]))
    monkeypatch.syspath_prepend(str(folder))
    return folder


def set_version(folder, version):
    for old in folder.glob("*.dist-info"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    info = folder / f"archspec_ours-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: archspec-ours\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[archspec]\nours = ours_plugin\n")


@pytest.mark.parametrize("part", [*CHOICES, "nothing"])
def test_a_run_records_the_plugins_that_its_documents_name(site, train_new, tmp_path, part):
    chosen = ["--set", CHOICES[part]] if part in CHOICES else []
    code, said, _ = train_new("--epochs", 1, "--out", tmp_path / "run", *chosen)
    assert code == 0, said
    recorded = json.loads((tmp_path / "run/run.json").read_text())["plugins"]
    assert recorded == (["archspec-ours 0.1"] if part in CHOICES else [])


def test_offers_are_found_at_any_depth(site):
    recipe = load_recipe(
        "default", ["recipe.augmentation=[standard, {type: choice, among: [gaussian-blur]}]"], Plugins()
    )
    assert {"choice", "gaussian-blur"} <= {offer.name for offer in offers_in(recipe)}
    assert used_plugins(recipe) == ()


@pytest.fixture
def trained(site, train_new, tmp_path):
    code, said, _ = train_new("--epochs", 1, "--out", tmp_path / "run", "--set", CHOICES["block"])
    assert code == 0, said
    return tmp_path / "run"


@pytest.mark.parametrize("command", ["eval", "predict", "train"])
def test_without_the_plugin_a_run_says_which_to_install(trained, site, command, capsys, photos):
    (site / "archspec_ours-0.1.dist-info" / "entry_points.txt").unlink()
    rest = {"eval": [trained], "predict": [trained, photos], "train": ["--resume", trained]}[command]
    assert run([command, *map(str, rest)]) == 1
    error = capsys.readouterr().err
    assert "was made with archspec-ours 0.1, which is not installed" in error
    assert "help: `pip install archspec-ours==0.1`" in error
    assert "unknown block" not in error


def test_a_blocked_or_broken_plugin_is_told_as_that(trained, site, capsys, monkeypatch):
    for blocked in ("ours", "archspec-ours", "all"):
        monkeypatch.setenv("ARCHSPEC_DISABLE_PLUGINS", blocked)
        assert run(["eval", str(trained)]) == 1
        error = capsys.readouterr().err
        assert "archspec-ours 0.1, which is blocked" in error
        assert "help: leave out what blocks archspec-ours" in error
        assert "pip install" not in error
    monkeypatch.delenv("ARCHSPEC_DISABLE_PLUGINS")
    monkeypatch.delitem(__import__("sys").modules, "ours_plugin")
    (site / "ours_plugin.py").write_text("raise RuntimeError('out of luck, and of a length of its own')\n")
    assert run(["eval", str(trained)]) == 1
    error = capsys.readouterr().err
    assert "archspec-ours 0.1, which cannot be loaded" in error
    assert "out of luck" in error


def test_another_version_is_refused_by_resume_and_not_by_eval(trained, site, capsys):
    set_version(site, "0.2")
    assert run(["eval", str(trained)]) == 0
    capsys.readouterr()
    assert run(["train", "--resume", str(trained)]) == 1
    assert "was begun with archspec-ours 0.1; here is archspec-ours 0.2" in capsys.readouterr().err
    assert run(["train", "--resume", str(trained), "--other-versions"]) == 0


def test_a_module_that_was_named_has_to_be_named_again(site, train_new, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ARCHSPEC_DISABLE_PLUGINS", "all")
    monkeypatch.setenv("ARCHSPEC_LOAD_PLUGINS", "ours_plugin")
    code, said, _ = train_new("--epochs", 1, "--out", tmp_path / "run", "--set", CHOICES["block"])
    assert code == 0, said
    monkeypatch.delenv("ARCHSPEC_LOAD_PLUGINS")
    assert run(["eval", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert "was made with ours_plugin, which is not named" in error
    assert "`archspec -p ours_plugin ...`" in error


@pytest.mark.parametrize("origin", ["$(touch x) 1", "a`b` 1", "a; rm -rf x", "", " ", "a 1 2"])
def test_a_run_of_a_stranger_puts_no_command_into_a_cure(trained, site, capsys, origin):
    (site / "archspec_ours-0.1.dist-info" / "entry_points.txt").unlink()
    file = trained / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "plugins": [origin]}))
    assert run(["eval", str(trained)]) == 1
    error = capsys.readouterr().err
    assert "no plugin can be installed as" in error
    assert "pip install" not in error
    assert "archspec -p" not in error
