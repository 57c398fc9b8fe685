"""What blocks are written with, where no built-in block shows it."""

import torch

import archspec
from archspec.plan.builder import Builder
from archspec.plan.plan import Block, Plan


def test_a_gate_of_ones_own_takes_the_builder_alone():
    net = Builder((16, 5, 4))
    mean = net.channel_mean(net.input)
    output = net.multiply(net.input, net.activation(mean, "Sigmoid"))
    assert (mean.shape, output.shape) == ((16, 1, 1), (16, 5, 4))
    plan = Plan("gate", (16, 5, 4), "he", tuple(net.steps), (Block("gate", "gate", 0, 3, 0, 3),))
    images = torch.randn(2, 16, 5, 4)
    expected = images * images.mean((2, 3), keepdim=True).sigmoid()
    assert torch.allclose(archspec.compile_network(plan)(images), expected)
