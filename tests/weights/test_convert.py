"""Converting: every bit comes back, other libraries take the file, and it is written whole or not at all."""

import json

import pytest
import torch
import torchvision
from safetensors import safe_open

import archspec
from archspec.errors import WeightsError
from archspec.weights.compare import Comparison, compare_outputs, fill_peer
from archspec.weights.convert import convert_weights, metadata_of, write_tensors
from archspec.weights.files import read_tensors
from archspec.weights.peers import build_peer
from archspec.weights.plan import plan_weights

PEERS = {
    "resnet18": "torchvision:resnet18",
    "resnext50-32x4d": "torchvision:resnext50_32x4d",
    "mobilenetv2-100": "torchvision:mobilenet_v2",
    "efficientnet-b0": "torchvision:efficientnet_b0",
    "convnext-tiny": "torchvision:convnext_tiny",
    "regnet-y-400mf": "torchvision:regnet_y_400mf",
    "resnet10t": "timm:resnet10t",
    "resnet50d": "timm:resnet50d",
    "seresnet18": "timm:seresnet18",
    "resnetv2-18": "timm:resnetv2_18",
    "regnet-x-200mf": "timm:regnetx_002",
    "repvgg-a0": "timm:repvgg_a0",
    "convnext-atto": "timm:convnext_atto",
    "res2net50-26w-4s": "timm:res2net50_26w_4s",
}
WIDE = {"convnext-tiny": "timm:convnext_tiny", "mobilenetv2-100": "timm:mobilenetv2_100", "resnet18": "timm:resnet18"}


@pytest.mark.parametrize(("name", "peer"), [*PEERS.items(), *WIDE.items()])
def test_a_library_takes_the_tensors_strictly_and_gives_the_same_outputs(name, peer):
    library, _, _ = peer.partition(":")
    if library == "timm":
        pytest.importorskip("timm")
    torch.manual_seed(0)
    network = archspec.build_network(archspec.load_spec(name, ["input.size=64"]))
    planned = plan_weights(network.plan, network.state_dict())
    _, tensors = convert_weights(planned, library)
    theirs = build_peer(peer, network.plan)
    theirs.load_state_dict(tensors)  # strict: names and shapes
    assert compare_outputs(network, theirs, images=2).equal
    back = plan_weights(network.plan, tensors)
    assert all(torch.equal(row.value, network.state_dict()[row.name]) for row in back.rows)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_round_trip_keeps_every_bit(tmp_path, suffix, dtype):
    start = torchvision.models.resnet18(num_classes=7).to(dtype).state_dict()
    plan = archspec.plan_network(archspec.load_spec("resnet18", ["head.classes=7"]))
    state = start
    for number, library in enumerate(("archspec", "timm", "archspec", "torchvision")):
        path = tmp_path / f"{number}{suffix}"
        planned = plan_weights(plan, state)
        write_tensors(path, convert_weights(planned, library)[1], metadata_of(planned))
        state = read_tensors(path)
    assert state.keys() == start.keys()
    for name, tensor in start.items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor), name
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{number}{suffix}" for number in range(4)]


def test_what_does_not_fit_exactly_is_not_converted(small_plan, state):
    del state["stem.norm.bias"]
    with pytest.raises(WeightsError, match=r"1 missing: stem\.norm\.bias"):
        convert_weights(plan_weights(small_plan, state), "archspec")


def test_a_network_that_a_library_has_not_is_refused():
    network = archspec.build_network("repvgg-a0")
    with pytest.raises(WeightsError) as caught:
        convert_weights(plan_weights(network.plan, network.state_dict()), "torchvision")
    assert caught.value.render() == (
        "error: torchvision has no network of repvgg-a0's kind: no naming of it has a name for every tensor\n"
        "  help: --to archspec keeps our names"
    )


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_that_cannot_be_written_leaves_what_was_there(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(b"before")

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("archspec.files.os.fsync", fail)
    with pytest.raises(WeightsError, match="cannot be written: No space left on device"):
        write_tensors(path, {"a": torch.zeros(3)}, {})
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_stated_preprocessing_and_classes_go_along_and_assumed_ones_do_not(tmp_path, small_plan, state):
    config = {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.25] * 3, "crop_pct": 0.9, "crop_mode": "border"}
    torch.save({"model": state, "pretrained_cfg": {**config, "label_names": list("abcdefghij")}}, tmp_path / "w.pth")
    planned = plan_weights(small_plan, tmp_path / "w.pth")
    write_tensors(tmp_path / "w.safetensors", convert_weights(planned, "archspec")[1], metadata_of(planned))
    again = plan_weights(small_plan, tmp_path / "w.safetensors")
    assert again.preprocessing.values == planned.preprocessing.values
    assert again.classes == tuple("abcdefghij")
    with safe_open(tmp_path / "w.safetensors", "pt") as opened:
        assert json.loads(opened.metadata()["pretrained_cfg"])["crop_mode"] == "border"
    assumed = plan_weights(
        archspec.plan_network(archspec.load_spec("resnet18")), torchvision.models.resnet18().state_dict()
    )
    assert metadata_of(assumed) == {"format": "pt"}


def test_a_swapped_tensor_makes_outputs_differ(small_plan):
    plan = archspec.plan_network(archspec.load_spec("resnet18", ["input.size=64"]))
    network, peer = archspec.compile_network(plan), build_peer("torchvision:resnet18", plan)
    state = network.state_dict()
    assert fill_peer(peer, plan, state, "it") == "torchvision"
    assert compare_outputs(network, peer).equal
    weights = peer.layer2[1].conv1.weight, peer.layer2[1].conv2.weight
    with torch.no_grad():
        weights[0].copy_(weights[1].clone())
    found = compare_outputs(network, peer)
    assert not found.equal
    assert found.relative > 1e-3


def test_what_is_no_number_is_not_equal():
    assert not Comparison(4, float("nan"), 1.0, 4, 1e-4).equal
    assert not Comparison(4, float("inf"), 1.0, 4, 1e-4).equal
    assert not Comparison(4, 0.0, 1.0, 3, 1e-4).equal
    assert Comparison(4, 0.0, 0.0, 4, 1e-4).equal


@pytest.mark.parametrize(
    ("name", "message", "help"),
    [
        ("resnet18", "'resnet18' names no peer", "such as torchvision:resnet34 or timm:resnet34"),
        ("keras:resnet50", "'keras:resnet50' names no peer", "such as torchvision:resnet34 or timm:resnet34"),
        ("torchvision:resnet81", "torchvision has no network 'resnet81'", "did you mean 'resnet18'?"),
        ("timm:hf-hub:a/b", "timm has no network 'hf-hub:a/b'", "timm.list_models() has "),
    ],
)
def test_a_peer_that_is_none_is_refused(small_plan, name, message, help):
    with pytest.raises(WeightsError) as caught:
        build_peer(name, small_plan)
    assert caught.value.message == message
    assert caught.value.help.startswith(help)


def test_a_peer_that_does_not_fit_is_refused(small_plan, state):
    with pytest.raises(WeightsError, match="does not fit the peer: "):
        fill_peer(build_peer("torchvision:resnet18", small_plan), small_plan, state, "it")


def test_without_timm_the_cure_is_told(small_plan, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(WeightsError) as caught:
        build_peer("timm:resnet18", small_plan)
    assert caught.value.render() == (
        "error: timm is not installed\n  help: pip install timm, or compare with torchvision's"
    )
