"""Cuts, folding, and what else a user does with a torch module."""

import copy
import pickle
import weakref

import pytest
import torch
from torch import nn

import archspec
from archspec import compile_network
from archspec.errors import CutError, WeightsError


@pytest.fixture
def network(network_of, small_text, randomise):
    torch.manual_seed(0)
    return randomise(network_of(small_text, "input.size=[20, 27]"))


@pytest.fixture
def images():
    return torch.randn(2, 3, 20, 27, generator=torch.Generator().manual_seed(1))


BORDERS = ["stages", "stages.0", "stages.0.0", "stages.1", "stages.1.0", "stages.2", "head"]


@pytest.mark.parametrize("border", [*BORDERS, "stem.norm", "stages.1.0.act2", "head.linear"])
@pytest.mark.parametrize("training", [False, True])
def test_a_prefix_and_its_tail_make_the_whole(network, images, border, training):
    state = copy.deepcopy(network.state_dict())
    prefix = compile_network(network.plan, end=border, state=state).train(training)
    tail = compile_network(network.plan, start=border, state=state).train(training)
    assert list(prefix.state_dict()) + list(tail.state_dict()) == list(state)
    assert torch.equal(tail(prefix(images)), network.train(training)(images))
    assert tuple(prefix(images).shape[1:]) == network.plan.shape(network.plan.passing(network.plan.cut(border))[0])


def test_a_middle_can_be_cut_out(network, images):
    state = network.state_dict()
    parts = [compile_network(network.plan, a, b, state=state) for a, b in ((None, "stages.1"), ("stages.1", "head"))]
    head = compile_network(network.plan, "head", state=state)
    assert torch.equal(head.eval()(parts[1].eval()(parts[0].eval()(images))), network.eval()(images))


def test_the_network_ends_in_logits_where_it_is_cut_before_the_softmax(network_of, small_text, images):
    whole = network_of(small_text, "head.softmax=true").eval()
    logits = compile_network(whole.plan, end="softmax", state=whole.state_dict()).eval()
    assert list(logits.state_dict()) == list(whole.state_dict())
    assert torch.equal(logits(images).softmax(1), whole(images))
    assert not torch.allclose(logits(images).sum(1), torch.ones(2))


@pytest.mark.parametrize(
    ("start", "end"), [("stages.3", None), (None, "nothing"), ("stages.0.0.conv9", None), (None, "softmax")]
)
def test_a_border_that_does_not_exist_is_refused_with_the_blocks_there_are(network, start, end):
    with pytest.raises(CutError, match="is no block of small") as caught:
        compile_network(network.plan, start, end)
    assert caught.value.help.startswith("blocks: stem, stages.0.0")


def test_a_cut_that_a_shortcut_crosses_is_refused(network):
    with pytest.raises(CutError, match=r"cannot be cut at 'stages\.0\.0\.conv2': more than one value passes there"):
        compile_network(network.plan, end="stages.0.0.conv2")


@pytest.mark.parametrize(("start", "end"), [("head", "stages.0"), ("head", "head"), (None, "stem")])
def test_a_cut_with_nothing_in_it_is_refused(network, start, end):
    with pytest.raises(ValueError, match="nothing of small lies from"):
        compile_network(network.plan, start, end)


def test_a_state_that_lacks_a_tensor_is_refused(network):
    state = dict(network.state_dict())
    del state["head.linear.bias"]
    with pytest.raises(WeightsError, match=r"head\.linear\.bias"):
        compile_network(network.plan, state=state)


FOLDED = [
    (),
    ("defaults.padding=tensorflow", "defaults.bias=true", "stem.type=conv-pool"),
    ("stages.1.block=bottleneck", "stages.*.groups=4"),
    ("defaults.norm={type: batch, eps: 0.1}", "defaults.shortcut=A"),
    ("defaults.activation=none",),
    ("defaults.norm=none",),
]


@pytest.mark.parametrize("overrides", FOLDED)
def test_a_folded_network_computes_the_same(network_of, randomise, small_text, images, overrides):
    network = randomise(network_of(small_text, *overrides)).eval()
    folded = compile_network(network.plan, fold=True, state=network.state_dict())
    expected = network(images)
    assert torch.allclose(folded(images), expected, atol=1e-4, rtol=1e-4)
    assert expected.std() > 1e-3
    assert not folded.training
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert [name for name, _ in folded.named_modules()] == [name for name, _ in network.named_modules()]
    convolutions = {name for name in network.state_dict() if "conv" in name and name.endswith("weight")}
    assert convolutions <= set(folded.state_dict())


def test_folding_leaves_the_given_state_alone(network):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    compile_network(network.plan, fold=True, state=network.state_dict())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_a_folded_tail_continues_an_unfolded_prefix(network, images):
    state = network.state_dict()
    prefix = compile_network(network.plan, end="stages.1", state=state).eval()
    tail = compile_network(network.plan, start="stages.1", fold=True, state=state)
    assert torch.allclose(tail(prefix(images)), network.eval()(images), atol=1e-5)


@pytest.mark.parametrize(
    "overrides", [(), ("defaults.padding=tensorflow", "stem.type=conv-pool", "defaults.shortcut=A")]
)
def test_torch_compile_finds_no_graph_break(network_of, small_text, images, overrides):
    network = network_of(small_text, *overrides).eval()
    assert torch.equal(torch.compile(network, fullgraph=True, backend="eager")(images), network(images))


@pytest.mark.parametrize("overrides", [(), ("defaults.padding=tensorflow", "stem.type=conv-pool", "head.softmax=true")])
def test_torch_export_is_exact(network_of, small_text, images, overrides):
    network = network_of(small_text, *overrides).eval()
    exported = torch.export.export(network, (images,))
    assert torch.equal(exported.module()(images), network(images))
    assert set(exported.state_dict) == set(network.state_dict())


def test_a_network_can_be_pickled(network, images):
    again = pickle.loads(pickle.dumps(network))
    assert torch.equal(again.eval()(images), network.eval()(images))
    assert again.plan == network.plan


def test_a_deep_copy_keeps_hooks_and_shares_no_weights(network, images):
    seen = []
    network.get_submodule("stages.1.0.conv1").register_forward_hook(lambda *_: seen.append(1))
    again = copy.deepcopy(network)
    again(images)
    assert seen == [1]
    nn.init.zeros_(again.head.linear.weight)
    assert network.head.linear.weight.abs().sum() > 0


def test_a_child_that_is_replaced_is_used(network, images):
    before = network.eval()(images)
    network.get_submodule("stages.1.0").conv1 = nn.Conv2d(16, 32, 3, 2, 1)
    assert not torch.equal(network.eval()(images), before)
    network.head = nn.Flatten()
    assert network(images).shape == (2, 64 * 3 * 4)


@pytest.mark.parametrize("repeats", [1, 8])
def test_activations_are_let_go_once_they_are_used(network_of, small_text, images, repeats):
    """Without gradients five maps live at once, however deep: the inputs of three scopes, and two inside a block."""
    network = network_of(small_text, f"stages.*.repeats={repeats}")
    alive, most = [], 0

    def watch(module, inputs, output):
        nonlocal most
        alive.append(weakref.ref(output))
        most = max(most, len({t.untyped_storage().data_ptr() for ref in alive if (t := ref()) is not None}))

    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(watch)
    with torch.inference_mode():
        network.eval()(images)
    assert most <= 5


@pytest.mark.parametrize(
    "activation", ["relu", "silu", "gelu", "elu", "tanh", "hard-swish", "mish", "leaky-relu", "relu6", "none"]
)
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_gradients_with_every_activation_are_those_of_the_network_out_of_place(
    network_of, small_text, activation, norm
):
    network = network_of(small_text, f"defaults.activation={activation}", f"defaults.norm={norm}").double()
    plain = copy.deepcopy(network)
    for module in plain.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    for model in (network, plain):
        model(x).square().sum().backward()
    for (name, a), b in zip(network.named_parameters(), plain.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-9), name


def test_distributed_training_gives_the_same_gradients(network, images, tmp_path):
    alone = copy.deepcopy(network)
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        nn.parallel.DistributedDataParallel(network)(images).sum().backward()
    finally:
        torch.distributed.destroy_process_group()
    alone(images).sum().backward()
    for (name, a), b in zip(network.named_parameters(), alone.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad), name


def test_a_network_can_be_built_from_a_spec_a_file_or_a_name(root):
    spec = archspec.load_spec("tiny")
    for source in (spec, "tiny", root / "specs" / "tiny.yaml", str(root / "specs" / "tiny.yaml")):
        assert archspec.build_network(source).plan == archspec.plan_network(spec)
