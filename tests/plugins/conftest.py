"""Plugins that are written to a folder: modules, and distributions with entry points."""

import importlib
import itertools
import sys
import textwrap
from importlib import metadata

import pytest

GHOST = """
from archspec import BlockOptions, Offer, hookimpl

class GhostOptions(BlockOptions):
    ratio: int = 2

def ghost(net, x, block):
    y = net.conv(x, block.filters // block.ratio, 3, block.strides, name="primary")
    return net.act(net.conv(y, block.filters, 1, name="cheap"))

@hookimpl
def archspec_blocks():
    return {"ghost": Offer(GhostOptions, ghost, "few features, many maps")}
"""


@pytest.fixture
def ghost():
    """The source of a plugin that offers the block `ghost`."""
    return GHOST


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder in which modules are found, and the only one in which distributions are."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    found = metadata.distributions
    monkeypatch.setattr(metadata, "distributions", lambda: found(path=[str(folder)]))
    return folder


@pytest.fixture
def module(site):
    """Writes an importable module, and returns its name."""
    numbers = itertools.count()

    def write(source, name=None):
        name = name or f"plugin_{next(numbers)}"
        (site / f"{name}.py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
        written.add(name)
        return name

    written = set()
    yield write
    for name in list(sys.modules):
        if name.partition(".")[0] in written:
            del sys.modules[name]


@pytest.fixture
def install(site):
    """Installs distributions: (entry point, module, distribution, version, requirements...)."""

    def write(*entries):
        for name, value, distribution, *more in entries:
            version, *requires = more or ["0.1"]
            folder = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
            folder.mkdir(exist_ok=True)
            lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
            lines += [f"Requires-Dist: {requirement}" for requirement in requires]
            (folder / "METADATA").write_text("\n".join(lines) + "\n")
            points = folder / "entry_points.txt"
            old = points.read_text() if points.exists() else "[archspec]\n"
            points.write_text(f"{old}{name} = {value}\n")
        importlib.invalidate_caches()

    return write


@pytest.fixture
def installed(install, module):
    """Installs one plugin of a source, and returns its module's name."""

    def write(source, name="ghost", distribution=None, *more):
        written = module(source)
        install((name, written, distribution or f"archspec-{name}", *more))
        return written

    return write
