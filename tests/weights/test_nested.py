"""Which state dict of a checkpoint is taken, as training scripts of several kinds write them."""

import argparse

import pytest
import torch
import torchvision
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from archspec.errors import WeightsError
from archspec.weights.files import read_content
from archspec.weights.nested import find_state
from archspec.weights.plan import plan_weights
from archspec.weights.settings import Matching

RAW, MEAN = {"a.weight": torch.zeros(2)}, {"a.weight": torch.ones(2)}


@pytest.mark.parametrize(
    ("content", "key", "others"),
    [
        ({"model": RAW, "model_ema": MEAN}, "model_ema", ("model",)),
        ({"state_dict": RAW, "state_dict_ema": MEAN, "epoch": 3}, "state_dict_ema", ("state_dict",)),
        ({"params": RAW, "params_ema": MEAN}, "params_ema", ("params",)),
        ({"model": {"state_dict": RAW}, "ema": {"module": MEAN}}, "ema.module", ("model.state_dict",)),
        ({"net": RAW}, "net", ()),
        ({"network": RAW, "lr": torch.zeros(1)}, "network", ()),
        (RAW, "", ()),
    ],
)
def test_the_moving_average_is_taken_before_what_it_averages(content, key, others):
    found = find_state(content, "'w'")
    assert (found.key, found.others) == (key, others)
    assert torch.equal(found.tensors["a.weight"], (MEAN if "ema" in key else RAW)["a.weight"])


def test_a_key_chooses_even_one_that_is_not_usual():
    content = {"model": RAW, "model_ema": MEAN, "teacher": {"deep": {"x.weight": torch.ones(1)}}}
    assert find_state(content, "'w'", "model").tensors is not None
    assert find_state(content, "'w'", "model").others == ("model_ema",)
    assert list(find_state(content, "'w'", "teacher.deep").tensors) == ["x.weight"]


def test_a_key_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(WeightsError) as caught:
        find_state({"model": RAW, "model_ema": MEAN}, "'w.pth'", "teacher")
    assert caught.value.render() == (
        "error: 'w.pth' holds no state dict under 'teacher'\n  help: keys with a state dict: 'model_ema', 'model'"
    )


def test_torchs_averaged_model_is_read_like_the_model():
    model = torchvision.models.resnet18(num_classes=4)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    found = find_state({"model": model.state_dict(), "model_ema": averaged.state_dict()}, "'w'")
    assert found.averaged
    assert list(found.tensors) == list(model.state_dict())


def test_a_training_scripts_checkpoint_with_its_options_is_read(tmp_path, small_plan, state):
    args = argparse.Namespace(lr=0.1, model="resnet18")
    mean = {f"module.{name}": tensor + 1 for name, tensor in state.items()}
    torch.save({"model": state, "model_ema": mean, "args": args, "epoch": 1}, tmp_path / "w.th")
    planned = plan_weights(small_plan, tmp_path / "w.th")
    assert torch.equal(planned.rows[0].value, state["stem.conv.weight"] + 1)
    assert planned.notes == (
        "it holds several state dicts: 'model_ema' was taken (the moving average), and not 'model'; --key chooses",
    )
    planned = plan_weights(small_plan, tmp_path / "w.th", Matching(key="model"))
    assert torch.equal(planned.rows[0].value, state["stem.conv.weight"])


def test_a_checkpoint_that_holds_itself_under_many_keys_is_soon_done():
    class Checkpoint(dict):
        looks = 0

        def get(self, key, default=None):
            Checkpoint.looks += 1
            return super().get(key, default)

    checkpoint = Checkpoint()
    for key in ("ema", "model", "net", "params", "state_dict", "module", "network", "weights"):
        checkpoint[key] = checkpoint
    with pytest.raises(WeightsError, match="holds no state dict"):
        find_state(checkpoint, "'w'")
    assert Checkpoint.looks < 100


class Option:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_code_inside_the_options_is_refused_by_name_and_not_run(tmp_path, state):
    args = argparse.Namespace(lr=Option(tmp_path / "trace"))
    torch.save({"model": state, "args": args}, tmp_path / "w.pth")
    with pytest.raises(WeightsError) as caught:
        read_content(tmp_path / "w.pth")
    assert caught.value.message == (
        f"'{tmp_path / 'w.pth'}' holds more than tensors, and opening it could run code; "
        "it was not opened: it asks for 'io.open'"
    )
    assert not (tmp_path / "trace").exists()
