"""What a recipe switches on in torch, deterministic operations and compilation, and their faults in plain words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from archspec.errors import RunError

_CUBLAS, _BUFFERS = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
"""https://docs.nvidia.com/cuda/cublas/#results-reproducibility"""


def use_deterministic(wanted: bool) -> None:
    """Allow only operations that give the same bits each time, or allow all again, in this process.

    cuBLAS reads its variable when it starts: call this before a GPU is used. What the user set there stays.
    """
    if wanted:
        os.environ.setdefault(_CUBLAS, _BUFFERS)
    torch.use_deterministic_algorithms(wanted)


@contextmanager
def plain_faults() -> Iterator[None]:
    """A context in which torch's faults over what a recipe switches on are errors that name the switch.

    Raises:
        RunError: an operation has no deterministic version, or the network cannot be compiled.

    """
    try:
        yield
    except RuntimeError as error:
        fault = _in_plain_words(error)
        if fault is None:
            raise
        raise fault from error


def _in_plain_words(error: RuntimeError) -> RunError | None:
    text = str(error)
    if "torch.use_deterministic_algorithms" in text:
        what = text.partition(", but you set")[0].partition("\n")[0]
        return RunError(
            f"an operation cannot give the same bits each time: {what}",
            help="`--set recipe.deterministic=false` allows it",
        )
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):  # which take a second to import
        help = "`--set recipe.compile=false` trains it as it is; to compile for a CPU takes a C++ compiler"
        return RunError(f"torch.compile cannot compile the network: {text.partition(chr(10))[0]}", help=help)
    return None
