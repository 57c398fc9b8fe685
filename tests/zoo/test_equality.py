"""Every spec that names a network of timm's is timm's: outputs, every gradient, and all tensors after a step."""

import csv
import os
from pathlib import Path

import pytest

import archspec

timm = pytest.importorskip("timm")

# What a spec is called there; the order of operations is the same, so the bits are, but for those that are named.
NAMES = {
    **{name: name for name in ("resnet10t", "resnet18d", "resnet34d", "resnet26", "resnet26d", "resnet50c")},
    **{name: name for name in ("resnet50d", "resnet50t", "resnet101d", "seresnet18", "seresnet50", "ecaresnet50d")},
    **{name: name for name in ("resnetaa50", "resnetblur50")},
    "res2net50-26w-4s": "res2net50_26w_4s",
    "bit-resnet50x1": "resnetv2_50x1_bit",
    "resnet50-gn": "resnet50_gn",
    "resnext50-32x4d": "resnext50_32x4d",
    "wide-resnet50-2": "wide_resnet50_2",
    "seresnext50-32x4d": "seresnext50_32x4d",
    "resnetv2-18": "resnetv2_18",
    "resnetv2-34": "resnetv2_34",
    "resnetv2-50": "resnetv2_50",
    "repvgg-a0": "repvgg_a0",
    "repvgg-a1": "repvgg_a1",
    "mobilenetv2-100": "mobilenetv2_100",
    "efficientnet-b0": "efficientnet_b0",
    "convnext-atto": "convnext_atto",
    "convnext-tiny": "convnext_tiny",
    "regnet-x-200mf": "regnetx_002",
    "regnet-x-400mf": "regnetx_004",
    "regnet-x-600mf": "regnetx_006",
    "regnet-x-800mf": "regnetx_008",
    "regnet-y-200mf": "regnety_002",
    "regnet-y-400mf": "regnety_004",
    "regnet-y-800mf": "regnety_008",
    "regnet-y-1.6gf": "regnety_016",
}
LARGE = {
    "resnext101-32x8d": "resnext101_32x8d",
    "seresnet152": "seresnet152",
    "resnetv2-101": "resnetv2_101",
    "resnetv2-152": "resnetv2_152",
    "repvgg-b0": "repvgg_b0",
    "convnext-base": "convnext_base",
    "regnet-x-3.2gf": "regnetx_032",
    "regnet-x-8.0gf": "regnetx_080",
    "regnet-y-3.2gf": "regnety_032",
    "regnet-y-8.0gf": "regnety_080",
    "regnet-y-32gf": "regnety_320",
}
ROUNDED = ("convnext", "resnetv2", "bit")
"""A linear layer on one side is a 1x1 convolution on the other, and the two add up in another order."""


@pytest.mark.parametrize("name", NAMES)
def test_outputs_gradients_and_a_training_step_are_timms(name, compare_networks):
    theirs = timm.create_model(NAMES[name], drop_path_rate=0.0, drop_rate=0.0)
    compare_networks(theirs, archspec.load_spec(name), exact=not name.startswith(ROUNDED))


@pytest.mark.skipif(not os.environ.get("ARCHSPEC_LARGE"), reason="large networks: set ARCHSPEC_LARGE=1")
@pytest.mark.parametrize("name", LARGE)
def test_the_large_networks_are_timms(name, compare_networks):
    theirs = timm.create_model(LARGE[name], drop_path_rate=0.0, drop_rate=0.0)
    compare_networks(theirs, archspec.load_spec(name), exact=not name.startswith(ROUNDED))


def test_the_zoo_has_the_figures_of_the_reference_file(shared):
    path = Path(shared) / "reference" / "architectures.csv"
    if not path.exists():
        pytest.skip("the reference file is not part of the repository")
    wrong = []
    for row in csv.DictReader(path.read_text().splitlines()):
        plan = archspec.plan_network(archspec.load_spec(row["spec"].removesuffix(".yaml")))
        macs = int(row["macs_conv_linear"]) if row["macs_conv_linear"] else plan.macs
        if (plan.parameters, plan.macs) != (int(row["parameters"]), macs):
            wrong.append(row["spec"])
    assert wrong == []
