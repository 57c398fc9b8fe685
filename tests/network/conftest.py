"""What the tests of compiled networks share."""

import pytest
import torch
from torch import nn


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    """One thread for these small networks: several threads wait for one another where the machine is shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def randomise():
    """Gives a network norms that no two channels share, so that a swapped or forgotten tensor shows."""

    def give(network):
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.1)
        return network

    return give
