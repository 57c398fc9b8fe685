"""What other libraries call the tensors of a plan.

A naming is a table from steps of the plan to modules there. `{i}` and `{j}` are the stage and the block counted from 0,
`{s}` and `{b}` counted from 1, `{n}` the block counted from 1 over all stages, `{N}` and `{S}` one more than there are
blocks and stages, `{d}` and `{o}` the even and odd numbers of a stage (0 and 1 for the first), and `{k}` is a number in
the step's own name.
"""

from __future__ import annotations

from collections.abc import Mapping

Table = Mapping[str, str]

_STEM = {"stem.conv": "conv1", "stem.norm": "bn1"}
_DEEP_STEM = {
    "stem.conv1": "conv1.0",
    "stem.norm1": "conv1.1",
    "stem.conv2": "conv1.3",
    "stem.norm2": "conv1.4",
    "stem.conv3": "conv1.6",
    "stem.norm3": "bn1",
}
_RESNET = (
    _STEM
    | _DEEP_STEM
    | {
        "block.conv{k}": "layer{s}.{j}.conv{k}",
        "block.norm{k}": "layer{s}.{j}.bn{k}",
        "stem.pool.conv": "maxpool.0",
        "stem.pool.norm": "maxpool.1",
        "block.convs{k}": "layer{s}.{j}.convs.{k}",  # Res2Net's
        "block.norms{k}": "layer{s}.{j}.bns.{k}",
        "block.attention.conv{k}": "layer{s}.{j}.se.fc{k}",
        "block.attention.conv": "layer{s}.{j}.se.conv",
        "block.shortcut.conv": "layer{s}.{j}.downsample.0",
        "block.shortcut.norm": "layer{s}.{j}.downsample.1",
        "head.linear": "fc",
    }
)
_RESNET_D = _RESNET | {
    "block.shortcut.conv": "layer{s}.{j}.downsample.1",
    "block.shortcut.norm": "layer{s}.{j}.downsample.2",
}
_RESNET_V2 = {
    "stem.conv": "stem.conv",
    "stem.conv{k}": "stem.conv{k}",
    "stem.norm{k}": "stem.norm{k}",
    "block.conv{k}": "stages.{i}.blocks.{j}.conv{k}",
    "block.norm{k}": "stages.{i}.blocks.{j}.norm{k}",
    "block.shortcut.conv": "stages.{i}.blocks.{j}.downsample.conv",
    "head.norm": "norm",
    "head.linear": "head.fc",
}
_REGNET = {
    "stem.conv": "stem.conv",
    "stem.norm": "stem.bn",
    "block.conv{k}": "s{s}.b{b}.conv{k}.conv",
    "block.norm{k}": "s{s}.b{b}.conv{k}.bn",
    "block.attention.conv{k}": "s{s}.b{b}.se.fc{k}",
    "block.shortcut.conv": "s{s}.b{b}.downsample.conv",
    "block.shortcut.norm": "s{s}.b{b}.downsample.bn",
    "head.linear": "head.fc",
}
_REPVGG = {
    f"{ours}.{branch}{step}": f"{theirs}.{module}{part}"
    for ours, theirs in (("stem", "stem"), ("block", "stages.{i}.{j}"))
    for branch, module in (("conv1x1", "conv_1x1"), ("conv3x3", "conv_kxk"))
    for step, part in ((".conv", ".conv"), (".norm", ".bn"))
} | {"block.identity": "stages.{i}.{j}.identity", "head.linear": "head.fc"}
_CONVNEXT = {
    "stem.conv": "stem.0",
    "stem.norm": "stem.1",
    "block.downsample.norm": "stages.{i}.downsample.0",
    "block.downsample.conv": "stages.{i}.downsample.1",
    "block.depthwise": "stages.{i}.blocks.{j}.conv_dw",
    "block.norm": "stages.{i}.blocks.{j}.norm",
    "block.conv{k}": "stages.{i}.blocks.{j}.mlp.fc{k}",
    "block.scale": "stages.{i}.blocks.{j}.gamma",
    "head.norm": "head.norm",
    "head.linear": "head.fc",
}
_MOBILE = {
    "stem.conv": "conv_stem",
    "stem.norm": "bn1",
    "block.conv1": "blocks.{i}.{j}.conv_pw",
    "block.norm{k}": "blocks.{i}.{j}.bn{k}",
    "block.depthwise": "blocks.{i}.{j}.conv_dw",
    "block.attention.conv1": "blocks.{i}.{j}.se.conv_reduce",
    "block.attention.conv2": "blocks.{i}.{j}.se.conv_expand",
    "block.conv3": "blocks.{i}.{j}.conv_pwl",
    "head.conv": "conv_head",
    "head.norm": "bn2",
    "head.linear": "classifier",
}
_MOBILE_FIRST = _MOBILE | {
    "block.norm2": "blocks.{i}.{j}.bn1",
    "block.conv3": "blocks.{i}.{j}.conv_pw",
    "block.norm3": "blocks.{i}.{j}.bn2",
}
"""Of a block without its first convolution, whose modules are numbered anew."""

_REPVGG_FUSED = {
    "stem.conv3x3.conv": "stem.reparam_conv",
    "block.conv3x3.conv": "stages.{i}.{j}.reparam_conv",
    "head.linear": "head.fc",
}
_TORCHVISION_REGNET = {
    "stem.conv": "stem.0",
    "stem.norm": "stem.1",
    "block.attention.conv{k}": "trunk_output.block{s}.block{s}-{j}.f.se.fc{k}",
    "block.shortcut.conv": "trunk_output.block{s}.block{s}-{j}.proj.0",
    "block.shortcut.norm": "trunk_output.block{s}.block{s}-{j}.proj.1",
    "head.linear": "fc",
} | {
    f"block.{step}{number}": f"trunk_output.block{{s}}.block{{s}}-{{j}}.f.{letter}.{part}"
    for number, letter in ((1, "a"), (2, "b"), (3, "c"))
    for part, step in enumerate(("conv", "norm"))
}
_TORCHVISION_CONVNEXT = {
    "stem.conv": "features.0.0",
    "stem.norm": "features.0.1",
    "block.downsample.norm": "features.{d}.0",
    "block.downsample.conv": "features.{d}.1",
    "block.depthwise": "features.{o}.{j}.block.0",
    "block.norm": "features.{o}.{j}.block.2",
    "block.conv1": "features.{o}.{j}.block.3",
    "block.conv2": "features.{o}.{j}.block.5",
    "block.scale": "features.{o}.{j}.layer_scale",
    "head.norm": "classifier.0",
    "head.linear": "classifier.2",
}


def _torchvision_mobile(block: str, last: str, *, expands: bool, attends: bool, flat: bool) -> Table:
    """An inverted residual there: its layers are numbered, whichever of them it has."""
    number = iter(range(4))
    table = {"stem.conv": "features.0.0", "stem.norm": "features.0.1", "head.linear": "classifier.1"}
    table |= {"head.conv": f"features.{last}.0", "head.norm": f"features.{last}.1"}
    if expands:
        layer = next(number)
        table |= {"block.conv1": f"{block}.{layer}.0", "block.norm1": f"{block}.{layer}.1"}
    layer = next(number)
    table |= {"block.depthwise": f"{block}.{layer}.0", "block.norm2": f"{block}.{layer}.1"}
    if attends:
        table |= {"block.attention.conv{k}": f"{block}.{next(number)}.fc{{k}}"}
    layer = next(number)
    project, norm = (f"{layer}", f"{layer + 1}") if flat else (f"{layer}.0", f"{layer}.1")
    return table | {"block.conv3": f"{block}.{project}", "block.norm3": f"{block}.{norm}"}


NAMINGS: dict[str, tuple[Table, Table]] = {
    "torchvision": (_RESNET, _RESNET),
    "timm ResNet-D": (_RESNET_D, _RESNET_D),
    "timm ResNetV2": (_RESNET_V2, _RESNET_V2),
    "timm RegNet": (_REGNET, _REGNET),
    "timm RepVGG": (_REPVGG, _REPVGG),
    "timm ConvNeXt": (_CONVNEXT, _CONVNEXT),
    "timm RepVGG, fused": (_REPVGG_FUSED, _REPVGG_FUSED),
    "timm MobileNet": (_MOBILE, _MOBILE_FIRST),
    "torchvision RegNet": (_TORCHVISION_REGNET, _TORCHVISION_REGNET),
    "torchvision ConvNeXt": (_TORCHVISION_CONVNEXT, _TORCHVISION_CONVNEXT),
    "torchvision MobileNetV2": (
        _torchvision_mobile("features.{n}.conv", "{N}", expands=True, attends=False, flat=True),
        _torchvision_mobile("features.{n}.conv", "{N}", expands=False, attends=False, flat=True),
    ),
    "torchvision EfficientNet": (
        _torchvision_mobile("features.{s}.{j}.block", "{S}", expands=True, attends=True, flat=False),
        _torchvision_mobile("features.{s}.{j}.block", "{S}", expands=False, attends=True, flat=False),
    ),
}
"""A table for each naming, and the one for blocks that have no `conv1`."""
