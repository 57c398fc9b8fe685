"""Pairing by order and by a map: what is paired, what order could swap, and maps that are wrong."""

import json

import pytest
import torch
import torchvision
from safetensors.torch import save_file

import archspec
from archspec.errors import DocumentError, WeightsError
from archspec.weights.load import apply_weights
from archspec.weights.plan import plan_weights
from archspec.weights.settings import Matching
from archspec.weights.source import open_source

ORDER = Matching(match="order")


def renamed(state):
    """The same tensors in the same order under names that nobody knows."""
    modules = {}
    return {
        f"m{modules.setdefault(name.rpartition('.')[0], len(modules)):03}.{name.rpartition('.')[2]}": tensor
        for name, tensor in state.items()
    }


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_a_network_of_unknown_names_is_paired_by_order(name):
    reference = torchvision.models.get_model(name)
    for number, tensor in enumerate(reference.state_dict().values()):  # no two tensors alike
        if tensor.is_floating_point():
            tensor.mul_(1 + number / 1000).add_(number / 1e5)
    network = archspec.build_network(name)
    planned = plan_weights(network.plan, renamed(reference.state_dict()), ORDER)
    planned.refuse()
    assert planned.naming == "order"
    apply_weights(network, planned)
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(network.eval()(x), reference.eval()(x))


def test_equal_layers_side_by_side_are_refused():
    plan = archspec.plan_network(archspec.load_spec("resnet50"))
    with pytest.raises(WeightsError) as caught:
        plan_weights(plan, renamed(torchvision.models.resnet50().state_dict()), ORDER)
    assert caught.value.render() == (
        "error: the order of the file's tensors could swap 2 equal modules that run side by side: "
        "stages.0.0.conv3 and stages.0.0.shortcut.conv; stages.0.0.norm3 and stages.0.0.shortcut.norm\n"
        "  help: say which is which in a file for --map, such as "
        "`stages.0.0.shortcut.conv: layer1.0.downsample.0`"
    )


def test_a_map_says_which_is_which_and_order_does_the_rest(tmp_path):
    reference = torchvision.models.resnet50()
    names = dict(zip(reference.state_dict(), renamed(reference.state_dict()), strict=True))
    theirs = {
        "stages.0.0.shortcut.conv": names["layer1.0.downsample.0.weight"].rpartition(".")[0],
        "stages.0.0.shortcut.norm": names["layer1.0.downsample.1.weight"].rpartition(".")[0],
    }
    (tmp_path / "map.json").write_text(json.dumps(theirs))
    network = archspec.build_network("resnet50")
    how = Matching(match="order", map=str(tmp_path / "map.json"))
    planned = plan_weights(network.plan, renamed(reference.state_dict()), how)
    planned.refuse()
    assert planned.notes == ("the map gives 6 of 320 tensors",)
    apply_weights(network, planned)
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(network.eval()(x), reference.eval()(x))


def test_a_file_with_the_shortcut_first_is_paired_right_where_shapes_tell(small_plan, state):
    """Another library may register a block's shortcut before its path."""

    def place(name):
        block = ".".join(name.split(".")[:3]) if name.startswith("stages") else name.split(".")[0]
        return ["stem", *(f"stages.{stage}.0" for stage in range(3)), "head"].index(block), "shortcut" not in name

    mixed = {name: state[name] for name in sorted(state, key=place)}
    planned = plan_weights(small_plan, renamed(mixed), ORDER)
    convs = [row for row in planned.rows if row.name.endswith(("conv1.weight", "conv2.weight", "shortcut.conv.weight"))]
    assert all(torch.equal(row.value, state[row.name]) for row in convs)
    for row in planned.rows:  # a norm whose neighbour is another conv is left out, and never swapped
        assert row.value is None or torch.equal(row.value, state[row.name]), row.name


def test_another_head_and_other_channels_are_found_at_the_ends(plan_of, state):
    plan = plan_of("head.classes=3", "input.channels=1")
    planned = plan_weights(plan, renamed(state), ORDER)
    planned.refuse()
    assert [row.name for row in planned.of("adapted")] == ["stem.conv.weight"]
    assert [row.name for row in planned.of("reset")] == ["head.linear.weight", "head.linear.bias"]


def test_kerass_words_for_a_norm_are_known(small_plan, state):
    words = {"running_mean": "moving_mean", "running_var": "moving_variance"}
    other = {
        f"{name.rpartition('.')[0]}.{words.get(name.rpartition('.')[2], name.rpartition('.')[2])}": tensor
        for name, tensor in renamed(state).items()
    }
    plan_weights(small_plan, other, ORDER).refuse()


def test_groups_of_another_size_are_not_paired(small_plan, state):
    rest = {name: tensor for name, tensor in state.items() if not name.startswith("stages.2.0.conv2")}
    planned = plan_weights(small_plan, renamed(rest), ORDER)
    assert "stages.2.0.conv2.weight" in [row.name for row in planned.of("missing")]
    rest = {name: tensor for name, tensor in state.items() if not name.startswith("stages.0.0.conv1")}
    planned = plan_weights(small_plan, renamed(rest), ORDER)  # one here for two there: which of them, nobody knows
    missing = [row.name for row in planned.of("missing")]
    assert missing[:1] == ["stages.0.0.conv1.weight"]
    assert "stages.0.0.conv2.weight" in missing


def test_a_map_goes_before_the_names(small_plan, state, tmp_path):
    (tmp_path / "map.yaml").write_text("stages.0.0.norm1: stages.0.0.norm2\nstages.0.0.norm2: stages.0.0.norm1\n")
    planned = plan_weights(small_plan, state, Matching(map=str(tmp_path / "map.yaml")))
    planned.refuse()
    rows = {row.name: row for row in planned.rows}
    assert torch.equal(rows["stages.0.0.norm1.bias"].value, state["stages.0.0.norm2.bias"])
    assert torch.equal(rows["stages.0.0.norm2.bias"].value, state["stages.0.0.norm1.bias"])


WRONG = """stem.cnv.weight: stem.conv.weight
stem.norm: stem.nrom
stages.0.0.conv1: [a, b]
stages.0.0.norm1: stem.norm
stages.0.0.norm2: stem.norm
"""


def test_what_a_map_takes_is_not_taken_again_by_name(small_plan, state, tmp_path):
    (tmp_path / "map.yaml").write_text("stages.0.0.norm1: stages.0.0.norm2\n")
    planned = plan_weights(small_plan, state, Matching(map=str(tmp_path / "map.yaml")))
    assert {row.name.rpartition(".")[0] for row in planned.of("missing")} == {"stages.0.0.norm2"}
    assert {name.rpartition(".")[0] for name in planned.unused} == {"stages.0.0.norm1"}


def test_everything_that_is_wrong_with_a_map_has_its_place(small_plan, state, tmp_path):
    (tmp_path / "map.yaml").write_text(WRONG)
    with pytest.raises(DocumentError) as caught:
        plan_weights(small_plan, state, Matching(map=str(tmp_path / "map.yaml")))
    assert caught.value.render().replace(f"{tmp_path}/", "") == (
        "error: the network has no tensor 'stem.cnv.weight'\n"
        "  --> map.yaml:1:1   stem.cnv.weight\n"
        "1 | stem.cnv.weight: stem.conv.weight\n"
        "  | ^^^^^^^^^^^^^^^ did you mean 'stem.conv.weight'?\n\n"
        "error: the file has no tensor 'stem.nrom'\n"
        "  --> map.yaml:2:12   stem.norm\n"
        "2 | stem.norm: stem.nrom\n"
        "  |            ^^^^^^^^^ did you mean 'stem.norm'?\n\n"
        "error: 'stages.0.0.conv1' must name a tensor of the file, not a list of 2\n"
        "  --> map.yaml:3:19   stages.0.0.conv1\n"
        "3 | stages.0.0.conv1: [a, b]\n"
        "  |                   ^^^^^^\n\n"
        "error: 'stem.norm.bias' is taken twice\n"
        "  --> map.yaml:5:19   stages.0.0.norm2\n"
        "5 | stages.0.0.norm2: stem.norm\n"
        "  |                   ^^^^^^^^^"
    )


def test_a_key_that_stands_twice_is_an_error(small_plan, state, tmp_path):
    (tmp_path / "map.yaml").write_text("stem.norm: stem.norm\nstem.norm: stem.norm\n")
    with pytest.raises(DocumentError, match=r"map\.yaml:2"):
        plan_weights(small_plan, state, Matching(map=str(tmp_path / "map.yaml")))


def test_a_safetensors_file_has_lost_the_order(small_plan, state, tmp_path):
    save_file(state, tmp_path / "w.safetensors")
    assert list(open_source(tmp_path / "w.safetensors").tensors) != list(state)
    with pytest.raises(WeightsError, match="is a safetensors file, which does not keep the order of its tensors"):
        plan_weights(small_plan, tmp_path / "w.safetensors", ORDER)
