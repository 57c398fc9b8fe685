"""Phases, the frozen prefix, and compute, against a hand calculation, a plain search, and torch's own counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.finetuning.compute import share_of_compute, training_macs
from archspec.finetuning.groups import static_groups
from archspec.finetuning.names import by_block, name_ranges
from archspec.finetuning.phases import mean_compute, phases
from archspec.finetuning.prefix import frozen_prefix
from archspec.finetuning.treatment import Treatment
from archspec.plan.branches import Dropout, DropPath

SIZE = "input.size=64"
NETWORKS = [
    "resnet18",
    "mobilenetv2-100",
    "preact-resnet164",
    "convnext-atto",
    "res2net50-26w-4s",
    "seresnet50",
    "repvgg-a0",
]
POLICIES = [
    "none",
    "head-only",
    "until:stages.1",
    "until:stages.2.1",
    "norm-only",
    "patterns:stem.*,stages.1.*",
    "patterns:*.weight",
]


def decays(name):
    return name.endswith("weight") and "norm" not in name


def test_the_phases_of_gradual_unfreezing(plan_of, policy_of):
    plan = plan_of("resnet18")
    found = phases(plan, policy_of("gradual:2", plan), 30)
    assert [(phase.start, phase.stop) for phase in found] == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10), (10, 30)]
    assert [phase.trained for phase in found] == [513_000, 8_906_728, 11_006_440, 11_532_008, 11_679_976, 11_689_512]
    assert all(phase.trained + phase.frozen == plan.parameters for phase in found)
    assert [phase.prefix.last for phase in found][:2] == ["head.pool", "stages.2.1.act2"]
    assert [phase.prefix.border for phase in found][:2] == ["head", "stages.3.0"]
    assert [phase.prefix.at_border for phase in found][:2] == [False, True]
    assert [phase.prefix.output for phase in found][:2] == [(512,), (256, 14, 14)]
    assert found[1].norms == {"eval": 15, "train": 5}
    assert found[-1].prefix.steps == 0
    assert found[-1].compute == found[-1].compute_kept == 1


def test_a_run_that_ends_early_has_fewer_phases(plan_of, policy_of):
    plan = plan_of("resnet18")
    assert [phase.stop for phase in phases(plan, policy_of("lp-ft:5", plan), 4)] == [4]
    assert [phase.scales for phase in phases(plan, policy_of("lp-ft:5", plan), 6)] == [(1.0, 1.0), (0.1, 0.1)]


def test_the_scales_are_those_of_what_trains(plan_of, policy_of):
    plan = plan_of("resnet18")
    (phase,) = phases(plan, policy_of("layer-decay:0.5", plan), 1)
    assert phase.scales == (2.0**-9, 1.0)
    nothing = phases(plan, lambda epoch: dict.fromkeys(phase.treatments, Treatment(False, 1.0, "eval")), 1)[0]
    assert (nothing.scales, nothing.trains, nothing.prefix.border) == (None, (), None)
    assert nothing.prefix.steps == len(plan.steps)
    assert nothing.compute_kept == 0


def test_the_share_of_compute_by_hand(plan_of, policy_of):
    """Two blocks of a conv network: what stands before the cut costs its forward pass, what trains three."""
    plan = plan_of("resnet18")
    macs = {name: sum(step.macs for step in plan.steps[b.start : b.stop]) for b in plan.blocks for name in [b.name]}
    everything = 3 * plan.macs - macs["stem"]  # of the image nobody needs the gradient
    treatments = policy_of("until:stages.3", plan)(0)
    before = sum(macs[name] for name in macs if name not in ("stages.3.0", "stages.3.1", "head"))
    first = {step.name: step.macs for step in plan.steps}
    behind = 3 * (plan.macs - before) - first["stages.3.0.conv1"] - first["stages.3.0.shortcut.conv"]
    assert training_macs(plan, treatments) == before + behind
    assert share_of_compute(plan, treatments) == (before + behind) / everything
    assert share_of_compute(plan, treatments, skipped=frozen_prefix(plan, treatments).steps) == behind / everything
    # a stage that is frozen behind one that trains passes the gradient on
    middle = policy_of("patterns:stages.3.*", plan)(0)
    frozen = macs["stages.3.0"] + macs["stages.3.1"]
    assert training_macs(plan, middle) == everything - frozen


def test_the_mean_over_a_run_weighs_by_epochs(plan_of, policy_of):
    plan = plan_of("resnet18")
    found = phases(plan, policy_of("lp-ft:6", plan), 30)
    assert mean_compute(found) == pytest.approx((6 * found[0].compute + 24 * found[1].compute) / 30)
    assert mean_compute(found, kept=True) == pytest.approx((6 * found[0].compute_kept + 24) / 30)


@pytest.mark.parametrize("text", POLICIES)
@pytest.mark.parametrize("name", ["resnet18", "resnetv2-18", "seresnet18", "resnet18d"])
def test_compute_is_what_torch_counts(plan_of, policy_of, name, text):
    """Without grouped convolutions: torch counts the gradient of their weights as of all channels with all."""
    plan = plan_of(name, SIZE)
    treatments = policy_of(text, plan)(0)
    network = archspec.compile_network(plan).eval()
    for parameter_name, parameter in network.named_parameters():
        parameter.requires_grad_(treatments[parameter_name].trains)
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *plan.input)).sum().backward()
    assert counter.get_total_flops() == 2 * training_macs(plan, treatments)


def longest_prefix(plan, treatments):
    """The same by trying every cut, with a set of values that cross it."""
    best = 0
    for cut in range(1, len(plan.steps) + 1):
        names = [f"{step.name}.{name}" for step in plan.steps[:cut] for name in step.operation.parameters()]
        frozen = all(not treatments[name].trains and treatments[name].bn == "eval" for name in names)
        later = {value for step in plan.steps[cut:] for value in step.inputs} | {plan.blocks[-1].output}
        crossing = [value for value in later if value <= cut]
        if frozen and len(crossing) == 1:
            (value,) = crossing
            if not (value and isinstance(plan.steps[value - 1].operation, Dropout | DropPath)):
                best = cut
    return best


@pytest.mark.parametrize("name", NETWORKS)
def test_the_prefix_is_the_longest_that_one_value_leaves(plan_of, name):
    plan = plan_of(name, SIZE)
    names = [name for name, _, trained in plan.tensors() if trained]
    for first in [*range(0, len(names), 7), len(names) - 1]:
        treatments = {
            name: Treatment(at >= first, 1.0, "train" if at >= first else "eval") for at, name in enumerate(names)
        }
        prefix = frozen_prefix(plan, treatments)
        assert prefix.steps == longest_prefix(plan, treatments), names[first]
        assert prefix.output == (plan.shape(prefix.value) if prefix.steps else plan.input)
        block = plan.blocks[plan.border(prefix.border)]
        assert block.start <= prefix.steps < block.stop
        assert prefix.at_border == (block.start == prefix.steps)


@pytest.mark.parametrize(("bn", "last"), [("eval", "head.pool"), ("batch", "stem.conv"), ("update", "stem.conv")])
def test_a_prefix_ends_where_statistics_are_the_batchs(plan_of, policy_of, bn, last):
    plan = plan_of("resnet18")
    assert frozen_prefix(plan, policy_of("head-only", plan, f"recipe.freeze.bn={bn}")(0)).last == last


def test_a_residual_that_crosses_moves_the_cut_to_the_blocks_border(plan_of, policy_of):
    plan = plan_of("resnet18")
    treatments = policy_of("patterns", plan, "recipe.freeze.train=[stages.1.1.norm2.*, head.*]")(0)
    prefix = frozen_prefix(plan, treatments)
    assert (prefix.last, prefix.border, prefix.at_border) == ("stages.1.0.act2", "stages.1.1", True)


def test_dropout_before_what_trains_is_not_in_the_prefix(plan_of, policy_of):
    plan = plan_of("resnet18", "head.dropout=0.2")
    prefix = frozen_prefix(plan, policy_of("head-only", plan)(0))
    assert prefix.last == "head.pool"
    assert plan.steps[prefix.steps].name == "head.dropout"


def test_drop_path_inside_the_prefix_does_not_end_it(plan_of, policy_of):
    plan = plan_of("resnet18", "stages.*.drop_path=0.1")
    assert any(isinstance(step.operation, DropPath) for step in plan.steps)
    assert frozen_prefix(plan, policy_of("head-only", plan)(0)).last == "head.pool"


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (["stem", "stages.0.0", "stages.0.1"], ("stem to stages.0",)),
        (["stages.0.1", "stages.1.0"], ("stages.0.1 to stages.1.0",)),
        (["stages.1.0", "stages.1.1"], ("stages.1",)),
        (["stem", "head"], ("stem", "head")),
        ([], ()),
    ],
)
def test_parts_are_named_as_ranges(plan_of, chosen, said):
    plan = plan_of("resnet18")
    assert name_ranges(plan, [name for block in chosen for name in by_block(plan)[block]]) == said


def test_blocks_of_which_a_part_trains_are_named_so(plan_of):
    plan = plan_of("resnet18")
    assert name_ranges(plan, ["stages.1.1.conv1.weight", "head.linear.bias"]) == (
        "part of stages.1.1",
        "biases of head",
    )


def test_norms_are_named_as_such(plan_of, policy_of):
    plan = plan_of("resnet18")
    (phase,) = phases(plan, policy_of("norm-only", plan), 3)
    assert phase.trains == ("norms of stem to stages.3", "head")
    assert phase.trained == 522_600
    assert phase.prefix.last == "stem.conv"


def test_without_a_policy_the_groups_are_weights_and_the_rest(plan_of, policy_of):
    plan = plan_of("resnet18")
    weights, others = static_groups(plan, policy_of("none", plan), 30, decays)
    names = [name for name, _, trained in plan.tensors() if trained]
    assert list(weights.names) == [name for name in names if decays(name)]
    assert list(others.names) == [name for name in names if not decays(name)]
    assert (weights.decays, others.decays) == (True, False)


@pytest.mark.parametrize("text", ["gradual:4", "lp-ft:3", "layer-decay", "until:stages.2", "patterns:*.conv1.weight"])
def test_every_parameter_is_in_one_group_of_its_own_kind(plan_of, policy_of, text):
    plan = plan_of("resnet18")
    policy = policy_of(text, plan)
    groups = static_groups(plan, policy, 30, decays)
    together = [name for group in groups for name in group.names]
    assert sorted(together) == sorted(name for name, _, trained in plan.tensors() if trained)
    courses = {}
    for group in groups:
        for name in group.names:
            course = [(t.trains, t.scale if t.trains else 0.0) for t in (policy(epoch)[name] for epoch in range(30))]
            assert [group.at(epoch) for epoch in range(30)] == course
            assert group.ever_trains == any(trains for trains, _ in course)
            assert courses.setdefault((group.decays, tuple(course)), group) is group  # none is split without need
            assert decays(name) == group.decays
    assert groups == static_groups(plan, policy_of(text, plan), 30, decays)
    assert [group.decays for group in groups] == sorted((group.decays for group in groups), reverse=True)


def test_the_groups_of_gradual_unfreezing(plan_of, policy_of):
    plan = plan_of("resnet18")
    groups = static_groups(plan, policy_of("gradual:2", plan), 30, decays)
    assert [group.course for group in groups[:6]] == [
        *(((0, False, 0.0), (start, True, 1.0)) for start in (10, 8, 6, 4, 2)),
        ((0, True, 1.0),),
    ]
    assert groups[0].names == ("stem.conv.weight",)
    assert groups[-1].names == ("head.linear.bias",)
