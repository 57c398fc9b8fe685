"""What a network takes from a file: counts, coverage, heads, input channels, and what is refused."""

import pytest
import torch
import torchvision

import archspec
from archspec.errors import WeightsError
from archspec.weights.load import apply_weights
from archspec.weights.plan import plan_weights
from archspec.weights.settings import Matching


def counts(planned):
    actions = ("copied", "adapted", "reset", "missing")
    return {action: (len(planned.of(action)), planned.count(action)) for action in actions if planned.of(action)}


def refusal(planned):
    with pytest.raises(WeightsError) as caught:
        planned.refuse()
    return caught.value.render()


def classes_file(folder, *names):
    path = folder / "classes.txt"
    path.write_text("".join(f"{name}\n" for name in names))
    return str(path)


def test_everything_is_copied_and_nothing_is_left(small_plan, state):
    planned = plan_weights(small_plan, state)
    planned.refuse()
    assert counts(planned) == {"copied": (len(state), small_plan.parameters)}
    assert (planned.coverage, planned.naming, planned.sha256) == (1.0, "archspec", None)
    assert not planned.unused
    assert [row.name for row in planned.rows] == list(state)


def test_a_head_of_another_size_is_reset_and_left_out_of_the_coverage(plan_of, state):
    plan = plan_of("head.classes=3")
    planned = plan_weights(plan, state)
    planned.refuse()
    assert counts(planned)["reset"] == (2, 3 * 64 + 3)
    assert planned.coverage == 1.0
    assert planned.rows[-1].reason == "10 classes there, 3 here"
    network = archspec.compile_network(plan)
    before = network.head.linear.weight.clone()
    apply_weights(network, planned)
    assert torch.equal(network.head.linear.weight, before)
    assert torch.equal(network.stem.conv.weight, state["stem.conv.weight"])


def test_a_head_is_reset_when_asked_though_it_would_fit(small_plan, state):
    planned = plan_weights(small_plan, state, Matching(head="reset"))
    assert [row.reason for row in planned.of("reset")] == ["as asked", "as asked"]
    assert not planned.unused


def test_a_file_without_a_head_is_a_backbone(small_plan, state):
    headless = {name: tensor for name, tensor in state.items() if not name.startswith("head")}
    planned = plan_weights(small_plan, headless)
    planned.refuse()
    assert [row.reason for row in planned.of("reset")] == ["the file has no head"] * 2


def test_a_head_of_other_features_is_no_reset_but_missing(small_plan, state):
    state["head.linear.weight"], state["head.linear.bias"] = torch.zeros(5, 32), torch.zeros(5)
    planned = plan_weights(small_plan, state)
    assert [row.reason for row in planned.of("missing")] == ["(5, 32) there, (10, 64) here", "(5,) there, (10,) here"]


def test_rows_of_known_classes_are_carried_over_by_name(plan_of, state, tmp_path):
    plan = plan_of("head.classes=4")
    there = [f"c{number}" for number in range(10)]
    torch.save(state, tmp_path / "w.pth")
    how = Matching(classes=classes_file(tmp_path, *there))
    planned = plan_weights(plan, tmp_path / "w.pth", how, ["c7", "new", "c0", "c9"])
    planned.refuse()
    assert planned.classes == tuple(there)
    assert [row.reason for row in planned.of("adapted")] == ["3 of 4 classes by name, 1 new"] * 2
    assert planned.count("adapted") == 3 * 64 + 3
    assert planned.count("reset") == 64 + 1
    assert planned.coverage == 1.0
    network = archspec.compile_network(plan)
    fresh = network.head.linear.weight[1].clone()
    apply_weights(network, planned)
    for row, source in ((0, 7), (2, 0), (3, 9)):
        assert torch.equal(network.head.linear.weight[row], state["head.linear.weight"][source])
        assert network.head.linear.bias[row] == state["head.linear.bias"][source]
    assert torch.equal(network.head.linear.weight[1], fresh)


def test_a_head_of_the_same_size_and_other_order_of_classes_is_not_copied_as_it_is(small_plan, state, tmp_path):
    there = [f"c{number}" for number in range(10)]
    how = Matching(classes=classes_file(tmp_path, *there))
    planned = plan_weights(small_plan, state, how, there[::-1])
    assert torch.equal(planned.rows[-1].value, state["head.linear.bias"].flip(0))
    assert planned.rows[-1].here == tuple(range(10))
    assert plan_weights(small_plan, state, how, there).rows[-1].action == "copied"


@pytest.mark.parametrize(
    ("there", "here", "head", "message"),
    [
        ([f"c{n}" for n in range(9)], None, "auto", "the file's head has 10 classes, and there are 9 names for them"),
        (None, ["a"] * 3, "auto", "the network's head has 10 classes, and there are 3 names for them"),
        (None, None, "by-name", "a head by name needs the names of the file's classes, which are not known"),
        (["crane", *"bcdefghi", "crane"], ["crane", *"klmnopqrs"], "auto", "the class 'crane' stands twice among"),
    ],
)
def test_classes_that_do_not_do_are_refused(small_plan, state, tmp_path, there, here, head, message):
    how = Matching(classes=classes_file(tmp_path, *there) if there else None, head=head)
    with pytest.raises(WeightsError) as caught:
        plan_weights(small_plan, state, how, here)
    assert caught.value.message.startswith(message)


def test_classes_of_no_common_name_reset_the_head(small_plan, state, tmp_path):
    how = Matching(classes=classes_file(tmp_path, *"abcdefghij"))
    planned = plan_weights(small_plan, state, how, list("ABCDEFGHIJ"))
    assert [row.reason for row in planned.of("reset")] == ["no class of the file has the name of one here"] * 2


@pytest.mark.parametrize("channels", [1, 4])
def test_input_channels_are_adapted_and_said(plan_of, state, channels):
    planned = plan_weights(plan_of(f"input.channels={channels}"), state)
    planned.refuse()
    (row,) = planned.of("adapted")
    rule = "sum" if channels == 1 else "repeat"
    assert row.reason.startswith(f"3 input channels there, {channels} here: {rule}, w'[:, j] = ")
    assert tuple(row.value.shape) == row.shape == (16, channels, 3, 3)
    assert row.filled == row.parameters


def test_a_grey_network_gives_for_a_grey_image_what_the_coloured_one_does(plan_of, state):
    coloured, grey = archspec.compile_network(plan_of()), archspec.compile_network(plan_of("input.channels=1"))
    apply_weights(coloured, plan_weights(coloured.plan, state))
    apply_weights(grey, plan_weights(grey.plan, state))
    image = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = grey.eval()(image), coloured.eval()(image.expand(-1, 3, -1, -1))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_shallower_file_is_refused_with_its_blocks_and_its_spec():
    plan = archspec.plan_network(archspec.load_spec("resnet34"))
    planned = plan_weights(plan, torchvision.models.resnet18().state_dict())
    assert planned.coverage == pytest.approx(11_689_512 / 21_797_672)
    assert refusal(planned) == (
        "error: the state dict does not fit resnet34: it gives values to 53.6% of the parameters, under 95%; it lacks "
        "the 8 blocks stages.0.2, stages.1.2-3, stages.2.2-5, stages.3.2: it is of a network with fewer blocks\n"
        "  help: of the zoo, resnet18 has its tensors"
    )


def test_a_deeper_file_fits_and_what_is_left_is_said():
    plan = archspec.plan_network(archspec.load_spec("resnet18"))
    planned = plan_weights(plan, torchvision.models.resnet34().state_dict())
    planned.refuse()
    assert len(planned.unused) == 96
    assert planned.unused_parameters == 21_797_672 - 11_689_512
    assert planned.notes == ("46% of the file finds no place: it is of another, larger network",)


def test_a_file_of_other_blocks_is_refused():
    plan = archspec.plan_network(archspec.load_spec("resnet50"))
    said = refusal(plan_weights(plan, torchvision.models.resnet34().state_dict()))
    assert "its blocks have no conv3, norm3: they are of another kind" in said
    assert "stages.0.0.conv1.weight is (64, 64, 3, 3) there and (64, 64, 1, 1) here, and 31 more" in said
    assert said.endswith("of the zoo, resnet34 has its tensors")


def test_a_file_of_unknown_names_is_refused_with_the_cure(small_plan):
    assert refusal(plan_weights(small_plan, {"encoder.first": torch.zeros(3)})) == (
        "error: the state dict does not fit small: it gives values to 0.0% of the parameters, under 95%; none of its "
        "names is known, such as encoder.first\n  help: pair them with --map FILE, or by --match order"
    )


def without(state, *prefixes):
    return {name: tensor for name, tensor in state.items() if not name.startswith(prefixes)}


@pytest.mark.parametrize("pattern", ["stages.2", "stages.2.*", "stages.2.0.*", "stages.*", "*"])
def test_what_is_allowed_by_name_may_be_missing(small_plan, state, pattern):
    rest = without(state, "stages.2")
    assert "it lacks the block stages.2.0: it is of a network with fewer blocks" in refusal(
        plan_weights(small_plan, rest)
    )
    planned = plan_weights(small_plan, rest, Matching(allow=(pattern,)))
    planned.refuse()
    assert planned.coverage == 1.0
    assert all(row.allowed for row in planned.of("missing"))


def test_what_is_not_allowed_counts(small_plan, state):
    how = Matching(allow=("stages.1",))
    with pytest.raises(WeightsError, match="does not fit small"):
        plan_weights(small_plan, without(state, "stages.1", "stages.2"), how).refuse()


def test_a_pattern_that_matches_nothing_is_an_error(small_plan, state):
    with pytest.raises(WeightsError) as caught:
        plan_weights(small_plan, state, Matching(allow=("stages.9.*",)))
    assert caught.value.message == "'stages.9.*' matches no tensor of the network"
    assert caught.value.help == (
        "a pattern is of the network's own names, which begin with stem, stages.0, stages.1, stages.2, head"
    )


def test_coverage_is_counted_on_parameters(small_plan, state):
    del state["stem.conv.weight"]
    planned = plan_weights(small_plan, state)
    planned.refuse()  # 432 of 78,000: said, and not refused
    assert planned.coverage == 1 - 432 / small_plan.parameters
    assert counts(planned)["missing"] == (1, 432)


def test_missing_statistics_are_refused_though_they_are_no_parameters(small_plan, state):
    means = {name: tensor for name, tensor in state.items() if not name.endswith("running_mean")}
    assert (
        "it lacks statistics of norms: stem.norm.running_mean, stages.0.0.norm1.running_mean, "
        "stages.0.0.norm2.running_mean, ... (10)" in refusal(plan_weights(small_plan, means))
    )
    del state["stem.norm.running_var"]
    assert refusal(plan_weights(small_plan, state)) == (
        "error: the state dict does not fit small: it lacks statistics of norms: stem.norm.running_var\n"
        "  help: allow it by name: --allow stem.norm.running_var"
    )
    plan_weights(small_plan, state, Matching(allow=("stem.norm.running_var",))).refuse()


def test_counters_of_batches_may_be_missing(small_plan, state):
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    planned = plan_weights(small_plan, old)
    planned.refuse()
    assert {row.reason for row in planned.of("reset")} == {"a counter that old files lack"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused(small_plan, state, value):
    state["stages.1.0.conv2.weight"][0, 0, 0, 0] = value
    assert refusal(plan_weights(small_plan, state)).endswith(
        "holds values that are no finite numbers: stages.1.0.conv2.weight"
    )


def test_weights_planned_for_one_network_go_into_no_other(small_plan, plan_of, state):
    planned = plan_weights(small_plan, state)
    with pytest.raises(WeightsError, match="the weights were planned for small, and the network has other tensors"):
        apply_weights(archspec.compile_network(plan_of("head.classes=3")), planned)


def test_a_part_of_the_network_takes_its_part(small_plan, state):
    planned = plan_weights(small_plan, state)
    tail = archspec.compile_network(small_plan, start="stages.2")
    assert apply_weights(tail, planned).copied == tuple(tail.state_dict())
    assert torch.equal(tail.head.linear.bias, state["head.linear.bias"])


def test_the_record_holds_every_tensor(plan_of, state, tmp_path):
    torch.save(state | {"extra.weight": torch.zeros(2, 2)}, tmp_path / "w.pth")
    record = plan_weights(plan_of("head.classes=3"), tmp_path / "w.pth").record()
    assert len(record["tensors"]) == len(state)
    assert record["unused"] == {"extra.weight": [2, 2]}
    assert record["counts"]["unused"] == {"tensors": 1, "parameters": 4}
    assert record["tensors"][0]["file_name"] == "stem.conv.weight"
    assert len(record["sha256"]) == 64
