"""A2: the widths of convolutions, groups and stages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from archspec.errors import KeyPath, show_path
from archspec.offers import Options
from archspec.plan.operations import Conv, Linear
from archspec.plan.plan import Plan
from archspec.plan.rules.rule import Finding, rule, typical_steps
from archspec.spec.arch import ArchSpec

MULTIPLE = 8
NARROWEST_SQUEEZE = 4
NARROWEST_GROUP = 4


@rule("A201", "uneven-width", "warning", "round the width to a multiple of 8")
def uneven_width(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """A convolution makes channels that are no multiple of 8.

    Why: Tensor cores and vector units take 8 channels or more at a time, so that 100 cost as much as 104, and on some
        devices fall back to much slower code. See NVIDIA's guide to convolutional layers, "channels in and out"
        (https://docs.nvidia.com/deeplearning/performance/dl-performance-convolutional/), and the rounding in
        MobileNetV2 and RegNet.
    Mend: Round `filters` (and `filters` times `expansion` or `width`, where they are fractions) to the nearest multiple
        of 8. The number of classes need not be one.
    Wrong:
        stages:
          - {block: basic, filters: 100}
          - {block: basic, filters: 200, strides: 2, repeats: 4}
    Right:
        stages:
          - {block: basic, filters: 104}
          - {block: basic, filters: 208, strides: 2, repeats: 4}
    """
    uneven: dict[KeyPath, set[int]] = {}
    for path, step in typical_steps(plan):
        conv = step.operation
        if isinstance(conv, Conv) and step.role != "gate" and conv.out_channels % MULTIPLE:
            uneven.setdefault(path, set()).add(conv.out_channels)
    for path, widths in uneven.items():
        shown = " and ".join(f"{width:,}" for width in sorted(widths))
        yield Finding((*path, "filters"), f"{show_path(path)} has convolutions of {shown} channels, no multiple of 8")


@rule("A202", "narrow-squeeze", "warning", "take a larger `ratio`, so that at least 4 channels are left")
def narrow_squeeze(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """An attention squeezes its channels to fewer than 4.

    Why: Squeeze-and-excitation passes what it knows of the image through a few channels. Fewer than 4 can tell too few
        cases apart, and with a ReLU behind them one that dies takes a large share of the gate with it. Hu et al. 2018
        (https://arxiv.org/abs/1709.01507) find a ratio of 1/16 good, on widths of 256 and more.
    Mend: Give `attention` a larger `ratio`, give attention only to the wide stages, or take `eca`, which squeezes
        nothing.
    Wrong:
        stages:
          - {block: basic, filters: 32, attention: {type: se, ratio: 0.0625, divisor: 1}}
          - {block: basic, filters: 64, strides: 2, repeats: 4}
    Right:
        stages:
          - {block: basic, filters: 32, attention: {type: se, ratio: 0.25, divisor: 1}}
          - {block: basic, filters: 64, strides: 2, repeats: 4}
    """
    for path, step in typical_steps(plan):
        if step.role == "gate" and isinstance(step.operation, Conv | Linear):
            entering, squeezed = plan.shape(step.inputs[0])[0], step.output[0]
            if squeezed < min(entering, NARROWEST_SQUEEZE):
                message = f"the attention in {show_path(path)} squeezes {entering:,} channels to {squeezed}"
                yield Finding((*path, "attention"), message)


@rule("A203", "narrow-groups", "warning", "take fewer `groups`, or a block that is meant to be depthwise")
def narrow_groups(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """A grouped convolution has fewer than 4 channels in a group, and its block is not made for depthwise ones.

    Why: With so few channels in a group, memory bounds the time: the multiply-adds fall, the time does not. ResNeXt
        (Xie et al. 2017, https://arxiv.org/abs/1611.05431) goes down to 4 channels a group, RegNet to 8. A group of one
        channel is a depthwise convolution, which blocks such as `inverted` and `convnext` surround with wide 1x1
        convolutions that mix the channels again.
    Mend: Take fewer groups, or name their width (`group_width: 8`); for a depthwise convolution take the block
        `inverted` or `convnext`.
    Wrong:
        stages:
          - {block: bottleneck, filters: 64, groups: 64}
          - {block: bottleneck, filters: 128, strides: 2, repeats: 4}
    Right:
        stages:
          - {block: bottleneck, filters: 64, groups: 8}
          - {block: bottleneck, filters: 128, strides: 2, repeats: 4}
    """
    for path, step in typical_steps(plan):
        conv = step.operation
        if isinstance(conv, Conv) and conv.groups > 1 and (option := _group_option(spec, path)):
            width = min(conv.in_channels, conv.out_channels) // conv.groups
            if width < NARROWEST_GROUP:
                meaning = "1 channel each, which is depthwise" if width == 1 else f"{width} channels each"
                yield Finding((*path, option), f"{conv.groups:,} groups in {show_path(path)} have {meaning}")


def _group_option(spec: ArchSpec, path: KeyPath) -> str | None:
    """The option by which the spec chooses the groups. A block without one has the groups that it is made of."""
    options: Options = spec.stages[int(path[1])] if path[0] == "stages" else getattr(spec, str(path[0]))
    if getattr(options, "group_width", None) is not None:
        return "group_width"
    return "groups" if "groups" in type(options).model_fields else None


@rule("A204", "narrowing-stage", "warning", "order the stages by width, or check `filters` for a slip")
def narrowing_stage(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """A stage makes fewer channels than the stage before.

    Why: Residual networks hold or double the width as the map shrinks, so that a stage can keep what the one before
        found. One that narrows throws features away in its first projection, and is most often a slip: a missing digit,
        two lines in the wrong order, or a `basic` block after a `bottleneck`, whose output is four times `filters`.
    Mend: Check `filters` (and `expansion`) of the stage and the one before.
    Wrong:
        stages:
          - {block: basic, filters: 128}
          - {block: basic, filters: 64, strides: 2, repeats: 6}
    Right:
        stages:
          - {block: basic, filters: 64}
          - {block: basic, filters: 128, strides: 2, repeats: 6}
    """
    widths = [stage.output[0] for stage in plan.stages]
    for index, (before, width) in enumerate(pairwise(widths), start=1):
        if width < before:
            message = f"stages[{index}] makes {width:,} channels, fewer than the {before:,} before it"
            yield Finding(("stages", index, "filters"), message)


RULES = (uneven_width, narrow_squeeze, narrow_groups, narrowing_stage)
