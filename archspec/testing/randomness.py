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
def randomness_left_alone(doing: str, instead: str) -> Iterator[None]:
    """Training draws from torch's generator: what an offer takes out of it would change the network.

    Raises:
        Fault: what was done moved them. `doing` says what, and `instead` what else to do, or what it spoils.

    """
    before = random_states()
    yield
    for name, state in random_states().items():
        if state != before[name]:
            raise Fault(f"{doing} moves the global random numbers of {name}: {instead}")


@contextmanager
def others_kept() -> Iterator[None]:
    """Leave the random numbers of numpy and Python as they were."""
    states = np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        np.random.set_state(states[0])
        random.setstate(states[1])


def random_states() -> dict[str, Any]:
    """The states of the global random numbers, by whose they are."""
    legacy = np.random.get_state(legacy=False)
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (legacy["state"]["key"].tobytes(), legacy["state"]["pos"]),
        "Python": random.getstate(),
    }
