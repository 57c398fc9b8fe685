"""What other libraries call the tensors of a plan.

A naming is a table from steps of the plan to modules there. `{i}` and `{j}` are the stage and the block counted from 0,
`{s}` and `{b}` counted from 1, and `{k}` is a number in the step's own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from archspec.plan.plan import Plan

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

NAMINGS: dict[str, tuple[Table, Table]] = {
    "torchvision": (_RESNET, _RESNET),
    "timm ResNet-D": (_RESNET_D, _RESNET_D),
    "timm ResNetV2": (_RESNET_V2, _RESNET_V2),
    "timm RegNet": (_REGNET, _REGNET),
    "timm RepVGG": (_REPVGG, _REPVGG),
    "timm ConvNeXt": (_CONVNEXT, _CONVNEXT),
    "timm MobileNet": (_MOBILE, _MOBILE_FIRST),
}
"""A table for each naming, and the one for blocks that have no `conv1`."""


def foreign_names(plan: Plan) -> Iterator[tuple[str, dict[str, str]]]:
    """For each naming, the plan's tensor names -> the names there. What a naming lacks is left out."""
    steps = [step for step in plan.steps if step.operation.parameters()]
    whole = {step.name for step in steps}
    for naming, (table, shorter) in NAMINGS.items():
        names = {}
        for step in steps:
            block = re.match(r"stages\.\d+\.\d+", step.name)
            short = block is not None and f"{block[0]}.conv1" not in whole
            theirs = _translate(step.name, shorter if short else table)
            if theirs is not None:
                for tensor in (*step.operation.parameters(), *step.operation.buffers()):
                    lone = theirs.endswith(".gamma")  # a parameter there, and a module of one here
                    names[f"{step.name}.{tensor}"] = theirs if lone else f"{theirs}.{tensor}"
        yield naming, names


def _translate(name: str, table: Table) -> str | None:
    """The module that a step is called there, or None."""
    block = re.match(r"stages\.(\d+)\.(\d+)\.", name)
    stage, number = (int(block[1]), int(block[2])) if block else (0, 0)
    inside = f"block.{name[block.end() :]}" if block else name
    digit = re.search(r"\d$", inside)
    keys = (inside, f"{inside[:-1]}{{k}}") if digit else (inside,)
    found = next((table[key] for key in keys if key in table), None)
    return found and found.format(i=stage, j=number, s=stage + 1, b=number + 1, k=digit[0] if digit else "")
