"""Every optimizer: torch's by its options, and stopped, saved, restored and going on as if it never stopped."""

import copy

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import archspec
from archspec.cli.app import run as archspec_run
from archspec.errors import RunError
from archspec.plugins import Plugins
from archspec.spec.settings import default_options
from archspec.training.checkpoint import optimizer_tensors, restore_optimizer
from archspec.training.keeping import fit
from archspec.training.optimization import group_parameters, make_optimizer

PLUGINS = Plugins(installed=False)
EVERY = {
    "sgd": "{type: sgd, lr: 0.02}",
    "sgd-plain": "{type: sgd, lr: 0.02, momentum: 0}",
    "adamw": "{type: adamw}",
    "adafactor": "{type: adafactor}",
    "rmsprop": "{type: rmsprop}",
    "rmsprop-centered": "{type: rmsprop, centered: true, momentum: 0}",
}
TORCHS = {
    "sgd": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "adamw": (torch.optim.AdamW, {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8}),
    "adafactor": (torch.optim.Adafactor, {"lr": 1e-2, "beta2_decay": -0.8, "eps": (None, 1e-3), "d": 1.0}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 2e-3, "alpha": 0.9, "eps": 1e-3, "momentum": 0.9}),
}
CHANGED = {
    "sgd": ({"momentum": 0.5, "nesterov": False}, {"momentum": 0.5, "nesterov": False}),
    "adamw": ({"betas": [0.8, 0.99], "eps": 1e-6}, {"betas": (0.8, 0.99), "eps": 1e-6}),
    "adafactor": (
        {"beta2_decay": -0.5, "eps": 1e-2, "clip": 2.0},
        {"beta2_decay": -0.5, "eps": (None, 1e-2), "d": 2.0},
    ),
    "rmsprop": (
        {"alpha": 0.95, "eps": 1e-2, "momentum": 0.0, "centered": True},
        {"alpha": 0.95, "eps": 1e-2, "momentum": 0.0, "centered": True},
    ),
}


def tiny(dtype=torch.float32):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1), nn.Flatten(), nn.Linear(4, 3))
    return network.to(dtype).to(memory_format=torch.channels_last)


def step(optimizer, network, number, frozen=()):
    draw = torch.Generator().manual_seed(number)
    for name, parameter in network.named_parameters():
        gradient = torch.randn(parameter.shape, generator=draw).to(parameter.dtype)
        parameter.grad = None if name in frozen else torch.empty_like(parameter).copy_(gradient)
    optimizer.step()


def assert_same_weights(one, other):
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("name", TORCHS)
def test_an_optimizer_is_torchs(name, changed):
    ours, theirs = CHANGED[name] if changed else ({}, {})
    kind, options = TORCHS[name]
    found = default_options("optimizers", name, PLUGINS, **ours)
    one, other = tiny(), tiny()
    mine = found.offer.make(found, group_parameters(one, 0.05))
    yours = kind(group_parameters(other, 0.05), **{**options, **theirs})
    for number in range(5):
        step(mine, one, number)
        step(yours, other, number)
    for (name, value), expected in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_fused_kernels_are_used(recipe, name):
    groups = make_optimizer(recipe(f"optimizer={name}"), tiny()).param_groups
    assert [group["fused"] for group in groups] == [True, True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", EVERY)
def test_restored_from_a_checkpoint_it_goes_on_with_the_same_bits(recipe, tmp_path, name, dtype):
    """One parameter gets its first gradient only after the checkpoint."""
    settings, late = recipe(f"optimizer={EVERY[name]}"), ["2.weight"]
    whole, stopped = tiny(dtype), tiny(dtype)
    never, optimizer = make_optimizer(settings, whole), make_optimizer(settings, stopped)
    for number in range(7):
        step(never, whole, number, late if number < 5 else ())
    for number in range(4):
        step(optimizer, stopped, number, late)
    kept = {name: value.contiguous() for name, value in optimizer_tensors(optimizer, stopped).items()}
    save_file(kept, tmp_path / "state.safetensors")
    resumed = copy.deepcopy(stopped)
    again = make_optimizer(settings, resumed)
    restore_optimizer(again, resumed, load_file(tmp_path / "state.safetensors"))
    assert_same_state(optimizer, stopped, again, resumed)
    for number in range(4, 7):
        step(again, resumed, number, late if number < 5 else ())
    assert_same_weights(whole, resumed)
    assert_same_state(never, whole, again, resumed)


def assert_same_state(one, network, other, copied):
    """Entry by entry: keys, types, shapes, layouts, devices and bits."""
    for parameter, twin in zip(network.parameters(), copied.parameters(), strict=True):
        state, restored = one.state.get(parameter, {}), other.state.get(twin, {})
        assert set(state) == set(restored)
        for key, value in state.items():
            assert torch.equal(value, restored[key]), key
            assert (value.dtype, value.device) == (restored[key].dtype, restored[key].device), key
            assert value.is_contiguous() == restored[key].is_contiguous(), key


def test_adafactor_keeps_rows_and_columns(recipe):
    network = tiny()
    optimizer = make_optimizer(recipe("optimizer=adafactor"), network)
    step(optimizer, network, 0)
    shapes = {name: tuple(value.shape) for name, value in optimizer_tensors(optimizer, network).items()}
    assert shapes["0.weight/row_var"] == (8, 3, 3, 1)
    assert shapes["0.weight/col_var"] == (8, 3, 1, 3)
    assert shapes["4.weight/row_var"] == (3, 1)
    assert shapes["0.bias/variance"] == (8,)
    assert shapes["0.weight/step"] == ()


@pytest.mark.parametrize("value", [3, 0.5, [1.0], "text"])
def test_state_that_is_no_tensor_is_refused_and_not_lost(value):
    network = tiny()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    optimizer.state[network[0].weight]["count"] = value
    kind = type(value).__name__
    with pytest.raises(RunError, match=rf"cannot hold SGD's state '0\.weight/count', which is {kind} and no tensor"):
        optimizer_tensors(optimizer, network)


def test_state_of_no_parameter_is_refused_and_not_lost():
    network = tiny()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    optimizer.state["everything"] = {"count": torch.tensor(1)}
    with pytest.raises(RunError, match="SGD's state of what is no parameter of the network"):
        optimizer_tensors(optimizer, network)


def test_sgd_survives_a_first_step_that_overflows_float16(recipe):
    """torch's own goes on from memory that nobody wrote; a zero is what no step has left."""
    layer = nn.Linear(3, 2)
    before = copy.deepcopy(layer.state_dict())
    optimizer, scaler = make_optimizer(recipe("optimizer=sgd"), layer), torch.amp.GradScaler("cpu")
    for factor in (1e38, 1.0):
        optimizer.zero_grad()
        scaler.scale(factor * layer(torch.ones(1, 3)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        if factor > 1:
            assert all(torch.equal(layer.state_dict()[name], value) for name, value in before.items())
    momentum = optimizer.state[layer.weight]["momentum_buffer"]
    torch.testing.assert_close(momentum, torch.ones(2, 3) + 1e-4 * before["weight"])


@pytest.mark.parametrize("name", EVERY)
def test_a_network_learns_with_the_default_options(session_of, name):
    from archspec.training.results import EpochResult

    text = EVERY[name] if name.startswith("sgd") else EVERY[name].partition(",")[0].rstrip("}") + "}"
    session = session_of("epochs=6", "batch_size=16", f"optimizer={text}")
    epochs = [result for result in fit(session) if isinstance(result, EpochResult)]
    assert epochs[-1].train_loss < 0.9 * epochs[0].train_loss


@pytest.mark.parametrize(
    ("name", "precision"),
    [("sgd", "float32"), ("adafactor", "float32"), ("adafactor", "bf16"), ("rmsprop", "float32")],
)
def test_a_run_resumed_halfway_ends_with_the_same_bits(spec_file, photos, tmp_path, monkeypatch, name, precision):
    """Killed after its third of six epochs."""
    settings = ["train", str(spec_file), "--data", f"imagefolder:{photos}", "--epochs", "6", "--batch-size", "21"]
    settings += ["--set", f"recipe.optimizer={EVERY[name]}", "--set", f"recipe.precision={precision}", "--workers", "0"]
    assert archspec_run([*settings, "--out", str(tmp_path / "whole")]) == 0
    from archspec.training import keeping

    keep = keeping._keep_epoch

    def killed(running, result):
        keep(running, result)
        if result.epoch == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(keeping, "_keep_epoch", killed)
    assert archspec_run([*settings, "--out", str(tmp_path / "run")]) == 130
    monkeypatch.undo()
    assert archspec_run(["train", "--resume", str(tmp_path / "run"), "--workers", "0"]) == 0
    for file in ("checkpoints/last/model.safetensors", "checkpoints/last/training.safetensors", "metrics.jsonl"):
        assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


def test_every_optimizer_is_tried_here():
    assert set(TORCHS) == set(PLUGINS.offers("optimizers")) == set(CHANGED)
    assert {text.split("type: ")[1].split(",")[0].rstrip("}") for text in EVERY.values()} == set(TORCHS)
    assert archspec.Plugins(installed=False).find("optimizers", "adafactor").summary


@pytest.mark.parametrize(("capturable", "device"), [(False, "cpu"), (True, "meta")])
def test_a_count_is_restored_to_where_torch_keeps_it(capturable, device):
    """On the host, where reading it costs nothing, unless the kernel counts; `meta` stands for a GPU here."""
    network = nn.Linear(3, 2, device="meta")
    optimizer = torch.optim.RMSprop(network.parameters(), capturable=capturable)
    restore_optimizer(optimizer, network, {"weight/step": torch.tensor(3.0), "weight/square_avg": torch.ones(2, 3)})
    state = optimizer.state[network.weight]
    assert (state["step"].device.type, state["square_avg"].device.type) == (device, "meta")
