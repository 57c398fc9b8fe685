"""Exporters of a plugin that is written to a file, and a small network with values in its norms."""

import itertools
import textwrap

import pytest
import torch

import archspec
from archspec import Exported, Plugins
from archspec.data.preprocessing import preprocessing_for

HEADER = """
from pathlib import Path

import torch

from archspec import ExporterOptions, Offer, hookimpl
from archspec.errors import ExportError

"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a plugin whose exporter `ours` is a function `make`, and returns the module's name."""
    (tmp_path / "modules").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "modules")
    numbers = itertools.count()

    def write(source):
        name = f"exporting_{next(numbers)}_{abs(hash(str(tmp_path)))}"
        hook = "\n\n@hookimpl\ndef archspec_exporters():\n    return {'ours': Offer(ExporterOptions, make)}\n"
        (tmp_path / "modules" / f"{name}.py").write_text(HEADER + textwrap.dedent(source) + hook)
        return name

    return write


@pytest.fixture
def plugins_of(module):
    """The built-ins, and a plugin whose exporter `ours` is this `make`."""
    return lambda source: Plugins([module(source)], installed=False)


@pytest.fixture
def exported():
    """A network with a softmax, and all that can be known of one."""
    torch.manual_seed(3)
    spec = archspec.load_spec("tiny", ["head.classes=3", "head.softmax=true", "input.size=[24, 20]"])
    network = archspec.build_network(spec).eval().requires_grad_(False)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.3)
    preprocessing = preprocessing_for(spec.input, 0.875, None, None, resize="pad")
    return Exported(network, network.plan, spec, ("cat", "dog", "emu"), preprocessing)
