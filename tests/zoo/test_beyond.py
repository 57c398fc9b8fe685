"""Networks that the zoo has not: a zoo's name and a few overrides give timm's outputs and gradients."""

import pytest
import torch
import torchvision

import archspec

timm = pytest.importorskip("timm")

DEEP_PREACT = "stem={type: deep-pool, preact: true}"
REGNET_Y_600MF = ("depth=15", "w0=48", "wa=32.54", "wm=2.32", "group_width=16")
NETWORKS = {
    "resnet101c": ("resnet50c", ["stages.2.repeats=23"]),
    "resnet14t": ("resnet10t", ["stages.*.block=bottleneck"]),
    "resnet26t": ("resnet26d", ["stem.filters=[24, 32, 64]"]),
    "resnext50d_32x4d": ("resnet50d", ["defaults.groups=32", "defaults.width=2"]),
    "seresnext26d_32x4d": ("resnet26d", ["defaults={shortcut: D, groups: 32, width: 2, attention: se}"]),
    "ecaresnet26t": ("resnet26d", ["stem.filters=[24, 32, 64]", "defaults.attention=eca"]),
    "resnetrs50": ("resnet50d", ["stem.pool=conv", "defaults.attention={type: se, ratio: 0.25}"]),
    "resnetblur18": ("resnet18", ["stem.pool=blur", "defaults.antialias=blur"]),
    "resnetblur50d": ("resnet50d", ["stem.pool=blur", "defaults.antialias=blur"]),
    "seresnetaa50d": ("resnet50d", ["stem.pool=average", "defaults={shortcut: D, antialias: average, attention: se}"]),
    "res2net50_14w_8s": ("res2net50-26w-4s", ["defaults={scale: 8, width: 0.21875}"]),
    "res2next50": ("res2net50-26w-4s", ["defaults={groups: 8, width: 0.5}"]),
    "resnetv2_50d": ("resnetv2-50", [DEEP_PREACT, "defaults.shortcut=D"]),
    "resnetv2_50t": ("resnetv2-50", [DEEP_PREACT, "stem.filters=[24, 32, 64]", "defaults.shortcut=D"]),
    "regnety_006": (
        "regnet-y-400mf",
        ["stages.depth=15", "stages.w0=48", "stages.wa=32.54", "stages.wm=2.32", "stages.group_width=16"],
    ),
}
"""timm's name: where we start, and what differs."""


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_no_table_is_a_few_overrides_away(name, compare_networks):
    base, overrides = NETWORKS[name]
    compare_networks(timm.create_model(name), archspec.load_spec(base, overrides), exact="v2" not in name)


STRIDES = {
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "resnet50d": "resnet50d",  # its shortcuts keep their pools
    "resnetblur50": "resnetblur50",
    "resnetv2_18": "resnetv2-18",
    "regnety_004": "regnet-y-400mf",
    "mobilenetv2_100": "mobilenetv2-100",
    "efficientnet_b0": "efficientnet-b0",
    "convnext_atto": "convnext-atto",
    "repvgg_a0": "repvgg-a0",
}
"""timm's names, and ours."""


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("name", STRIDES)
def test_a_dilated_network_is_timms(name, stride, compare_networks):
    spec = archspec.load_spec(STRIDES[name], [f"output_stride={stride}"])
    exact = not name.startswith(("resnetv2", "convnext"))
    network = compare_networks(timm.create_model(name, output_stride=stride), spec, exact=exact)
    assert network.plan.total_stride == stride
    plain = archspec.plan_network(archspec.load_spec(STRIDES[name]))
    assert list(plain.tensors()) == list(network.plan.tensors())  # weights of the plain network fit


ODD = {
    "resnet50d": "resnet50d",  # whose shortcuts pool
    "resnetblur50": "resnetblur50",
    "resnetv2_50x1_bit": "bit-resnet50x1",
    "res2net50_26w_4s": "res2net50-26w-4s",
    "regnety_004": "regnet-y-400mf",
    "mobilenetv2_100": "mobilenetv2-100",
    "efficientnet_b0": "efficientnet-b0",
    "convnext_atto": "convnext-atto",  # which drops a last odd pixel
    "repvgg_a0": "repvgg-a0",
}
"""timm's names, and ours."""


@pytest.mark.parametrize("name", ODD)
def test_images_of_odd_sides_are_timms(name, compare_networks):
    exact = not name.startswith(("resnetv2", "convnext"))
    compare_networks(timm.create_model(name), archspec.load_spec(ODD[name]), exact=exact, size=(75, 91))


def test_drop_path_is_timms_draw_for_draw(compare_networks):
    """The same seed drops the same images of the same blocks: rate * j / (blocks - 1) in block j."""
    theirs = timm.create_model("convnext_atto", drop_path_rate=0.5)
    spec = archspec.load_spec("convnext-atto", ["stages.*.drop_path=0.5"])
    network = compare_networks(theirs, spec, exact=False, images=8)
    rates = [step.operation.rate for step in network.plan.steps if step.name.endswith("drop_path")]
    assert rates == pytest.approx([0.5 * j / 11 for j in range(1, 12)])  # the first block's is 0, and it has none
    images = torch.randn(8, 3, 64, 64)
    assert not torch.equal(network.train()(images), network(images))
    assert torch.equal(network.eval()(images), network(images))


TORCHVISION = {
    "mobilenetv2-100": lambda: torchvision.models.mobilenet_v2(dropout=0.0),
    "efficientnet-b0": lambda: torchvision.models.efficientnet_b0(dropout=0.0, stochastic_depth_prob=0.0),
    "convnext-tiny": lambda: torchvision.models.convnext_tiny(stochastic_depth_prob=0.0),
    "regnet-x-800mf": lambda: torchvision.models.regnet_x_800mf(),
    "regnet-y-400mf": lambda: torchvision.models.regnet_y_400mf(),
    "resnext50-32x4d": lambda: torchvision.models.resnext50_32x4d(),
    "wide-resnet50-2": lambda: torchvision.models.wide_resnet50_2(),
}
"""RegNets X-400MF, Y-800MF and Y-8GF have other widths there than in pycls, which the zoo follows."""


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_names_are_known(name, compare_networks):
    compare_networks(TORCHVISION[name](), archspec.load_spec(name), exact=not name.startswith("convnext"))


def test_a_dilated_resnet_is_torchvisions(compare_networks):
    theirs = torchvision.models.resnet50(replace_stride_with_dilation=[False, True, True])
    compare_networks(theirs, archspec.load_spec("resnet50", ["output_stride=8"]), exact=True)
