"""`check_exporter`: the built-in exporters pass, and every promise that one can break is found."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

import archspec
from archspec import Plugins
from archspec.testing import check_exporter

PLUGINS = Plugins(installed=False)
SOURCE = """
import copy
import random
from pathlib import Path

import numpy as np

from archspec import ExporterOptions
from archspec.errors import ExportError

class Format(ExporterOptions):
    suffix = ".pth"
    keep: bool = True

class NoSuffix(ExporterOptions):
    pass

class OddSuffix(ExporterOptions):
    suffix = "pth"

def save(exported, path):
    torch.save(exported.network.state_dict(), path)

def runner(exported, path):
    network = copy.deepcopy(exported.network)
    network.load_state_dict(torch.load(path))
    return network

def good(options, exported, path):
    save(exported, path)
    return lambda batch: runner(exported, path)(batch)

def unread(options, exported, path):
    save(exported, path)

def changing(change):
    def make(options, exported, path):
        save(exported, path)
        change(exported.network)
    return make

def running(run):
    def make(options, exported, path):
        save(exported, path)
        return lambda batch: run(runner(exported, path), batch)
    return make

def lying(options, exported, path):
    save(exported, path)
    return exported.network

def fails(options, exported, path):
    raise KeyError("opset")

def refuses(options, exported, path):
    raise ExportError("it needs a library")

def nothing(options, exported, path):
    pass

def empty(options, exported, path):
    path.touch()

def folder(options, exported, path):
    path.mkdir()

def beside(options, exported, path):
    save(exported, path)
    path.with_suffix(".data").touch()

def here(options, exported, path):
    save(exported, path)
    Path("log.txt").touch()

def text(options, exported, path):
    save(exported, path)
    return str(path)

def grows(options, exported, path):
    with path.open("wb") as stream:
        torch.save(exported.network.state_dict(), stream)
        grows.written += 1
        stream.write(bytes(100_000 * grows.written))
grows.written = 0

def draws_on_import(options, exported, path):
    save(exported, path)
    if not draws_on_import.imported:
        random.random()
    draws_on_import.imported = True
draws_on_import.imported = False

def draws(draw):
    return changing(lambda network: draw())

def half(network):
    network.stem.conv.half()

def channels_last(network):
    network.to(memory_format=torch.channels_last)

def moves(network):
    network.stem.norm.running_mean += 1

def trains(network, batch):
    return network.train()(batch)

def prints(network, batch):
    print("running")
    return network(batch)

def stuck(network, batch):
    if len(batch) == 1:
        raise ValueError("a batch of one")
    return network(batch)

def overwrites(network, batch):
    made = network(batch)
    batch.zero_()
    return made

EXPORTERS = {
    "good": good,
    "unread": unread,
    "draws_on_import": draws_on_import,
    "fails": fails,
    "refuses": refuses,
    "nothing": nothing,
    "empty": empty,
    "folder": folder,
    "beside": beside,
    "here": here,
    "text": text,
    "grows": grows,
    "draws_torch": draws(lambda: torch.rand(())),
    "draws_numpy": draws(lambda: np.random.rand()),
    "draws_python": draws(lambda: random.random()),
    "prints": changing(lambda network: print("writing")),
    "training": changing(lambda network: network.train()),
    "gradient": changing(lambda network: network.requires_grad_(True)),
    "half": changing(half),
    "channels_last": changing(channels_last),
    "moves": changing(moves),
    "fuses": changing(lambda network: setattr(network.stem, "norm", nn.Identity())),
    "lying": lying,
    "run_trains": running(trains),
    "run_prints": running(prints),
    "run_stuck": running(stuck),
    "run_overwrites": running(overwrites),
    "run_near": running(lambda network, batch: network(batch) * 1.001),
    "run_rounds": running(lambda network, batch: network(batch) * 1.00001),
    "run_nan": running(lambda network, batch: network(batch) * float("nan")),
    "run_one": running(lambda network, batch: network(batch)[:1]),
    "run_list": running(lambda network, batch: network(batch).tolist()),
    "run_draws": running(lambda network, batch: network(batch + 0 * torch.rand(()))),
}

@hookimpl
def archspec_exporters():
    offers = {name: Offer(Format, make) for name, make in EXPORTERS.items()}
    offers["bare"] = Offer(Options, unread)
    return {**offers, "no_suffix": Offer(NoSuffix, unread), "odd_suffix": Offer(OddSuffix, unread)}
"""
FAULTS = {
    "bare": r"its options must derive from archspec.ExporterOptions",
    "no_suffix": r"its options' `suffix` is '', and must be the end of a file's name",
    "odd_suffix": r"its options' `suffix` is 'pth', and must be the end of a file's name",
    "fails": r"writing fails: KeyError: 'opset'",
    "nothing": r"it does not write the file that it is given, or leaves it empty",
    "empty": r"it does not write the file that it is given, or leaves it empty",
    "folder": r"it does not write the file that it is given, or leaves it empty",
    "beside": r"it writes 'tiny.data' beside the one file that it is given",
    "here": r"it writes 'log.txt' into the current folder",
    "text": r"`make` must return None, or a function that runs the file, not '/",
    "grows": r"written twice, its file has [\d,]+ bytes and then [\d,]+: one network makes one file",
    "draws_torch": r"writing moves the global random numbers of torch",
    "draws_numpy": r"writing moves the global random numbers of numpy",
    "draws_python": r"writing moves the global random numbers of Python",
    "prints": r"it prints on standard output, which is for `--json`: 'writing'",
    "training": r"it changes the mode of 'the network', training or whether a gradient is kept: work on a copy",
    "gradient": r"it changes the mode of 'stem.conv.weight', training or whether a gradient is kept: work on a copy",
    "half": r"it changes the type or the memory format of the network's 'stem.conv.weight'",
    "channels_last": r"it changes the type or the memory format of the network's 'stem.conv.weight'",
    "moves": r"it changes the network's 'stem.norm.running_mean': work on a copy.deepcopy of it",
    "fuses": r"it gives the network other modules or tensors",
    "lying": r"differ from the network's by .*: run what is in the file, and not the network",
    "run_trains": r"the outputs of its file for a batch of 1 differ from the network's",
    "run_prints": r"it prints on standard output, which is for `--json`: 'running'",
    "run_stuck": r"running its file on a batch of 1 fails: ValueError: a batch of one",
    "run_overwrites": r"running its file changes the batch that it is given",
    "run_near": r"the outputs of its file for a batch of 1 differ from the network's by",
    "run_nan": r"the outputs of its file for a batch of 1 differ from the network's by nan",
    "run_one": r"its file makes \(1, 4\) of a batch of 3, and must make a tensor \(3, 4\)",
    "run_list": r"its file makes list of a batch of 1, and must make a tensor \(1, 4\)",
    "run_draws": r"running its file moves the global random numbers of torch",
}


@pytest.fixture
def plugins(plugins_of):
    return plugins_of(SOURCE)


@pytest.mark.parametrize(
    ("name", "options"), [("safetensors", None), ("torch-export", None), ("torch-export", {"batch": 2})]
)
def test_a_built_in_exporter_passes(name, options):
    check_exporter(name, plugins=PLUGINS, options=options)


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_exporter_is_found(plugins, name, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    options = None if name in ("bare", "no_suffix", "odd_suffix") else {"keep": False}
    with pytest.raises(AssertionError, match=FAULTS[name]) as caught:
        check_exporter(name, plugins=plugins, options=options)
    message = str(caught.value)
    assert message.startswith(f"exporter '{name}' of plugin_")
    assert options is None or message.endswith("with these options:\n    keep: false\n")
    assert list(Path().iterdir()) == []
    assert Path().resolve() == tmp_path / "here"


@pytest.mark.parametrize("name", ["good", "unread", "draws_on_import", "run_rounds"])
def test_a_sound_exporter_of_a_plugin_passes(plugins, name):
    check_exporter(name, plugins=plugins)


def test_every_exporter_is_broken_or_sound(plugins):
    offers = {name for name, offer in plugins.offers("exporters").items() if not offer.built_in}
    assert offers == {*FAULTS, "good", "unread", "draws_on_import", "run_rounds", "refuses"}


def test_what_the_exporter_or_its_options_refuse_is_its_own_error(plugins):
    with pytest.raises(archspec.errors.ExportError, match="it needs a library"):
        check_exporter("refuses", plugins=plugins)
    with pytest.raises(archspec.errors.DocumentError, match="'batch' must be at least 1"):
        check_exporter("torch-export", plugins=PLUGINS, options={"batch": 0})
    with pytest.raises(archspec.errors.PluginError, match="unknown exporter 'safetensor'; did you mean 'safetensors'"):
        check_exporter("safetensor", plugins=plugins)


def test_random_numbers_are_as_if_nothing_was_checked(plugins):
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    for name in ("good", "draws_torch", "draws_numpy", "draws_python"):
        try:
            check_exporter(name, plugins=plugins)
        except AssertionError:
            assert name != "good"
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]
