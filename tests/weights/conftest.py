"""A small network, its plan, and tensors for it that no two channels share."""

import pytest
import torch

import archspec


@pytest.fixture(scope="session")
def small_plan(small_file):
    return archspec.plan_network(archspec.load_spec(small_file))


@pytest.fixture
def state(small_file):
    torch.manual_seed(7)
    return {
        name: torch.rand_like(tensor) + 0.5 if tensor.is_floating_point() else tensor + 3
        for name, tensor in archspec.build_network(small_file).state_dict().items()
    }


@pytest.fixture
def plan_of(small_file):
    """Overrides -> the plan of the small network."""
    return lambda *overrides: archspec.plan_network(archspec.load_spec(small_file, overrides))
