"""The global random numbers, which training draws from: whether a plugin's code moves them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from archspec.testing.cases import Fault


@contextmanager
def global_randomness_left_alone(what: str) -> Iterator[None]:
    """Training draws from torch's generator: what an offer takes out of it would change the network.

    Raises:
        Fault: what was done, "opening it", moved them.

    """
    before = _random_states()
    yield
    for name, state in _random_states().items():
        if state != before[name]:
            raise Fault(f"{what} moves the global random numbers of {name}; draw from a generator of your own")


@contextmanager
def others_kept() -> Iterator[None]:
    """Leave the random numbers of numpy and Python as they were."""
    states = np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        np.random.set_state(states[0])
        random.setstate(states[1])


def _random_states() -> dict[str, Any]:
    legacy = np.random.get_state(legacy=False)
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (legacy["state"]["key"].tobytes(), legacy["state"]["pos"]),
        "random": random.getstate(),
    }
