"""The plan's activation memory, against what autograd really keeps."""

import pytest
import torch

import archspec


def kept_by_autograd(network, x):
    """The bytes of different storages that autograd keeps, less weights, the input, and what has no shape of a map."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers(), x)}
    kept, sizes = [], {}

    def pack(tensor):
        kept.append(tensor)  # or its memory is used again, and counts once
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and tensor.is_floating_point() and tensor.ndim > 1:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = network(x)
    assert output.requires_grad
    return sum(sizes.values())


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("resnet18", 0),
        ("cifar-resnet20", 0),  # shortcut A
        ("resnet50d", 0),  # average pools
        ("seresnet18", 0),
        ("resnetv2-18", 0),
        ("repvgg-a0", 0),
        ("res2net50-26w-4s", 0.01),  # slices of one map
        ("resnet50-gn", 0.01),
        ("mobilenetv2-100", 0.01),  # ReLU6 keeps a copy of what it overwrites
        ("efficientnet-b0", 0.01),
        ("convnext-atto", 0.01),
        ("seed-resnet26", 0.1),  # TensorFlow's padding makes padded copies, which the plan does not know
    ],
)
def test_the_plan_knows_what_training_keeps(name, close):
    plan = archspec.plan_network(archspec.load_spec(name, ["input.size=64"] if "cifar" not in name else []))
    network = archspec.compile_network(plan).train()
    measured = kept_by_autograd(network, torch.randn(2, *plan.input)) / 2
    assert plan.activation_memory == pytest.approx(measured, rel=close, abs=0)


def test_a_global_pool_keeps_nothing_of_the_sum_before_it(write_spec):
    text = """name: sum
input: {channels: 1, size: 8}
stem: {type: conv, filters: 4, kernel: 3, strides: 1}
stages: [{block: preact-basic, filters: 4}]
head: {type: classifier, classes: 3}
"""
    plan = archspec.plan_network(archspec.load_spec(write_spec(text)))
    measured = kept_by_autograd(archspec.compile_network(plan).train(), torch.randn(2, *plan.input)) / 2
    assert plan.activation_memory == measured


def test_by_hand(write_spec):
    text = """name: hand
input: {channels: 1, size: 8}
stem: {type: conv, filters: 4, kernel: 3, strides: 1}
stages: [{block: basic, filters: 4, strides: 2}]
head: {type: classifier, classes: 3}
"""
    plan = archspec.plan_network(archspec.load_spec(write_spec(text)))
    stem = 4 * 8 * 8 * 2  # convolution's output, which the norm reads, and the activation's
    block = 4 * 4 * 4 * (2 + 1 + 1 + 1)  # the same; conv2's output, the shortcut convolution's, the last activation's
    head = 4  # the pooled features
    assert plan.activation_memory == 4 * (stem + block + head)
