"""Plugins written to a file, so that a check can be given their module."""

import textwrap

import pytest

from archspec import Plugins

HEADER = """
import itertools
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from archspec import (
    BlockOptions, HeadOptions, ImpossibleShape, Offer, Offered, Options, Settings, StemOptions, hookimpl,
)
from archspec.plan.gates import BatchNorm, ChannelMean, Multiply
from archspec.plan.operations import Conv, Operation

"""


@pytest.fixture
def plugins_of(tmp_path, monkeypatch):
    """The built-ins and a plugin of this source."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source, header=HEADER):
        name = f"plugin_{abs(hash((str(tmp_path), source)))}"
        (tmp_path / f"{name}.py").write_text(header + textwrap.dedent(source))
        return Plugins([name], installed=False)

    return write
