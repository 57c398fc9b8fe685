"""Weights files of every kind, and files that are damaged, foreign, or an attack."""

import pickle
import random
import warnings

import pytest
import torch
from safetensors.torch import save_file

import archspec
from archspec.errors import WeightsError
from archspec.weights.files import read_tensors
from archspec.weights.nested import state_tensors


@pytest.fixture(scope="module")
def tensors(small_file):
    torch.manual_seed(0)
    return dict(archspec.build_network(small_file).state_dict())


def refused(path):
    with pytest.raises(WeightsError) as caught:
        read_tensors(path)
    assert str(path) in caught.value.message
    return caught.value.message


def assert_same(read, tensors):
    assert list(read) == list(tensors)
    assert all(torch.equal(read[name], tensors[name]) for name in tensors)


def test_a_pth_file_is_read(tmp_path, tensors):
    torch.save(tensors, tmp_path / "w.pth")
    assert_same(read_tensors(tmp_path / "w.pth"), tensors)


def test_a_pth_file_of_before_torch_1_6_is_read(tmp_path, tensors):
    torch.save(tensors, tmp_path / "w.pt", _use_new_zipfile_serialization=False)
    assert_same(read_tensors(tmp_path / "w.pt"), tensors)


def test_a_safetensors_file_is_read(tmp_path, tensors):
    save_file(tensors, tmp_path / "w.safetensors")
    read = read_tensors(tmp_path / "w.safetensors")
    assert_same({name: read[name] for name in tensors}, tensors)


@pytest.mark.parametrize("keys", [["state_dict"], ["model"], ["model_state_dict"], ["net"], ["model", "state_dict"]])
def test_a_state_dict_is_found_inside_a_checkpoint(tmp_path, tensors, keys):
    content = tensors
    for key in reversed(keys):
        content = {key: content, "epoch": 3, "optimizer": {"state": {0: torch.zeros(1)}}}
    torch.save(content, tmp_path / "w.pth")
    assert_same(read_tensors(tmp_path / "w.pth"), tensors)


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "module.model."]
)
def test_a_wrappers_prefix_is_taken_off(tensors, prefix):
    assert_same(state_tensors({prefix + name: tensor for name, tensor in tensors.items()}, "w"), tensors)


def test_a_prefix_that_only_some_tensors_have_stays(tensors):
    mixed = {"module.a": torch.zeros(1), "b": torch.zeros(1)}
    assert list(state_tensors(mixed, "w")) == ["module.a", "b"]


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, tensors, zipped):
    trace = tmp_path / "trace"
    torch.save({**tensors, "extra": Attack(trace)}, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert "opening it could run code; it was not opened" in refused(tmp_path / "w.pth")
    assert not trace.exists()


def test_a_bare_pickle_with_code_is_refused_and_not_run(tmp_path):
    trace = tmp_path / "trace"
    (tmp_path / "w.pth").write_bytes(pickle.dumps(Attack(trace)))
    refused(tmp_path / "w.pth")
    assert not trace.exists()


def test_a_whole_module_is_refused_with_the_cure(tmp_path, small_file):
    torch.save(archspec.build_network(small_file), tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        read_tensors(tmp_path / "w.pth")
    assert "state_dict" in caught.value.help


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["pth", "legacy", "safetensors"])
def test_a_truncated_file_is_damaged(tmp_path, tensors, kind, share):
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "pth")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "is damaged, or is no weights file" in refused(path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("text", ["hello, this is a text\n", "{}", "name: small\n", "<html>\n"])
def test_a_text_file_is_no_weights_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert "is damaged, or is no weights file" in refused(tmp_path / name)


def test_a_file_is_read_by_what_it_holds_and_not_by_its_suffix(tmp_path, tensors):
    save_file(tensors, tmp_path / "w.pth")
    torch.save(tensors, tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        read = read_tensors(tmp_path / name)
        assert read.keys() == tensors.keys()
        assert all(torch.equal(read[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize(
    "content", [[1, 2], {}, {"a": 1}, {"state_dict": {}}, {"model": {"b": [torch.zeros(1)]}}, None]
)
def test_a_file_without_named_tensors_holds_no_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    assert "holds no state dict" in refused(tmp_path / "w.pth")


def test_a_checkpoint_that_holds_itself_ends_in_an_error():
    class Checkpoint(dict):
        """Gives up after a while, where a reader would go round for ever."""

        looks = 0

        def get(self, key, default=None):
            self.looks += 1
            assert self.looks < 1000, "the reader goes round in a circle"
            return super().get(key, default)

    checkpoint = Checkpoint()
    checkpoint["model"] = checkpoint
    with pytest.raises(WeightsError):
        state_tensors(checkpoint, "w")


@pytest.mark.parametrize("path", ["missing.pth", ".", "a" * 300 + ".pth"])
def test_a_file_that_is_not_there_is_said(tmp_path, path):
    assert "there is no weights file" in refused(tmp_path / path)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_a_damaged_file_never_ends_in_a_traceback(tmp_path, kind):
    random.seed(0)
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    small = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.ones(3)}
    if kind == "safetensors":
        save_file(small, path)
    else:
        torch.save(small, path, _use_new_zipfile_serialization=kind == "zip")
    data = path.read_bytes()
    escaped = set()
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(random.choice((1, 2, 8))):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        path.write_bytes(bytes(damaged))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read_tensors(path)
        except WeightsError:
            pass
        except Exception as error:
            escaped.add(f"{type(error).__name__}: {error}")
    assert not escaped
