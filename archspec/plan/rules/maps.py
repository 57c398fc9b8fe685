"""A1: the sizes of maps, and which pixels are read."""

from __future__ import annotations

import math
from collections.abc import Iterator

from archspec.errors import show_path
from archspec.plan.operations import Conv
from archspec.plan.plan import Plan, Step
from archspec.plan.pools import Pool
from archspec.plan.rules.rule import Finding, input_shape, rule, size_of, typical_steps
from archspec.spec.arch import ArchSpec

SMALL_INPUT = 64
"""Pixels: of images this small the published networks are narrow and shallow, and few see them whole."""


@rule("A101", "one-pixel-map", "warning", "give `input.size` more pixels, or the stem or a stage fewer `strides`")
def one_pixel_map(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """The map is 1x1 before the last stage, or the input has fewer pixels than the total stride.

    Why: On a map of one pixel a 3x3 convolution reads eight pixels of padding: eight ninths of its weights never see
        data, never learn, and still cost time. Networks for ImageNet have a total stride of 32, which suits 224 pixels
        and leaves nothing of 32. He et al. 2015 (https://arxiv.org/abs/1512.03385), section 4.2, use a total stride of
        4 for CIFAR.
    Mend: Give the images more pixels (`input.size`), take a stem that does not stride (`{type: conv, kernel: 3,
        strides: 1}`), or let fewer stages stride.
    Wrong:
        input: {size: 32}
        stem: {type: conv-pool, filters: 64}
        stages:
          - {block: basic, filters: 64}
          - {block: basic, filters: 128, strides: 2}
          - {block: basic, filters: 256, strides: 2}
          - {block: basic, filters: 512, strides: 2}
          - {block: basic, filters: 512}
    Right:
        input: {size: 32}
        stem: {type: conv, filters: 64, kernel: 3, strides: 1}
        stages:
          - {block: basic, filters: 64}
          - {block: basic, filters: 128, strides: 2}
          - {block: basic, filters: 256, strides: 2}
    """
    for index, stage in enumerate(plan.stages[:-1]):
        if stage.output[1:] == (1, 1):
            yield Finding(("stages", index, "strides"), f"the map is 1x1 after stages[{index}], before the last stage")
            return
    stride = plan.total_stride
    if max(plan.input[1:]) < stride:
        message = f"an input of {size_of(plan.input)} has fewer pixels than the total stride (={stride})"
        yield Finding(("input", "size"), message)


@rule("A102", "unseen-input", "warning", "add blocks or `strides`, or take larger kernels, if large shapes matter")
def unseen_input(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """The receptive field of the last map is smaller than the input, which has more than 64 pixels.

    It is a note where at least half of the input is seen, as in ResNet-26.

    Why: No pixel of the last map sees the whole image. The head only averages them, so what takes two distant parts to
        recognise cannot be learnt. Brendel and Bethge 2019 (https://arxiv.org/abs/1904.00760) show how far such a bag
        of local features goes; Luo et al. 2016 (https://arxiv.org/abs/1701.04128) that the field that counts is much
        smaller still than the one computed here.
    Mend: Add blocks to the late stages, whose windows are wide in pixels of the input, stride earlier, or take larger
        kernels. Smaller images are an answer too. Leave it where textures are what is to be recognised.
    Wrong:
        input: {size: 224}
        stem: {type: conv, filters: 32, kernel: 3, strides: 2}
        stages:
          - {block: basic, filters: 32, strides: 2}
          - {block: basic, filters: 64, strides: 2}
    Right:
        input: {size: 224}
        stem: {type: conv, filters: 32, kernel: 3, strides: 2}
        stages:
          - {block: basic, filters: 32, strides: 2}
          - {block: basic, filters: 64, strides: 2}
          - {block: basic, filters: 128, strides: 2, repeats: 2}
          - {block: basic, filters: 256, strides: 2, repeats: 2}
    """
    side = max(plan.input[1:])
    if side > SMALL_INPUT and plan.receptive_field < side:
        message = f"a pixel of the last map sees {plan.receptive_field:,} pixels along an axis, of the input's {side:,}"
        yield Finding(("input", "size"), message, "note" if 2 * plan.receptive_field >= side else None)


@rule("A103", "uneven-size", "note", "take a multiple of the total stride, so that the windows fit the image")
def uneven_size(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """The input is no multiple of the total stride.

    Why: Somewhere a strided window does not fit the map: pixels at the right and lower border are left out, or padding
        is seen in their place. It costs a little accuracy at the border, and the alignment of features with pixels,
        which detection and segmentation notice.
    Mend: Take a multiple of the total stride: 224 or 256 for a stride of 32, and not 225 or 250.
    Wrong:
        input: {size: 60}
    Right:
        input: {size: 64}
    """
    stride = plan.total_stride
    uneven = [side for side in plan.input[1:] if side % stride]
    if uneven and min(plan.input[1:]) > stride:
        below = uneven[0] // stride * stride
        near = f"{below:,} and {below + stride:,} are"
        message = f"an input of {size_of(plan.input)} is no multiple of the total stride (={stride}): {near}"
        yield Finding(("input", "size"), message)


@rule("A104", "skipped-pixels", "note", "stride in a convolution whose kernel is at least as wide: `stride_in: 3x3`")
def skipped_pixels(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """A convolution on the main path strides further than its kernel is wide.

    Why: A 1x1 convolution of stride 2 reads one pixel of four, and nothing beside it reads the others: three quarters
        of what was computed before are thrown away. The first ResNets strided there; torchvision's stride in the 3x3
        ("ResNet 1.5") gains about half a percent top-1 for a few more multiply-adds. See He et al. 2019
        (https://arxiv.org/abs/1812.01187), ResNet-B. Projection shortcuts do it too, beside a path that reads all;
        shortcut D averages first.
    Mend: Set `stride_in: 3x3` in a bottleneck, a stem's `kernel` to at least its `strides`, or leave it where weights
        of the original are to fit.
    Wrong:
        defaults: {stride_in: 1x1}
        stages:
          - {block: bottleneck, filters: 64}
          - {block: bottleneck, filters: 128, strides: 2}
          - {block: bottleneck, filters: 256, strides: 2, repeats: 4}
    Right:
        defaults: {stride_in: 3x3}
        stages:
          - {block: bottleneck, filters: 64}
          - {block: bottleneck, filters: 128, strides: 2}
          - {block: bottleneck, filters: 256, strides: 2, repeats: 4}
    """
    main = [(path, step) for path, step in typical_steps(plan) if step.role == "main"]
    widest: dict[int, int] = {}  # branches may read a value in parallel, as RepVGG's do: the widest window counts
    for _, step in main:
        for value in step.inputs:
            widest[value] = max(widest.get(value, 0), step.operation.window()[0])
    for path, step in main:
        conv = step.operation
        if isinstance(conv, Conv) and widest[step.inputs[0]] < conv.stride:
            which = f"a {conv.kernel}x{conv.kernel} convolution of stride {conv.stride} in {show_path(path)}"
            message = f"{which} reads {conv.kernel**2} of {conv.stride**2} pixels"
            yield Finding((*path, "kernel" if path == ("stem",) else "stride_in"), message)


@rule("A105", "growing-map", "warning", "take an odd kernel, or `padding: tensorflow`")
def growing_map(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """An even kernel, padded alike on both sides, makes the map a pixel larger.

    Why: `padding: symmetric` pads kernel // 2 pixels on both sides, which keeps the size for odd kernels. An even one
        has no middle: the map grows by a pixel at each such convolution, and features shift by half a pixel.
    Mend: Take an odd kernel, or `padding: tensorflow`, which puts the odd pixel of padding right and below. A patchify
        stem is not padded at all.
    Wrong:
        stem: {type: conv, filters: 64, kernel: 4, strides: 2}
    Right:
        stem: {type: conv, filters: 64, kernel: 3, strides: 2}
    """
    for path, step in typical_steps(plan):
        if _grows(plan, step):
            sizes = f"{size_of(input_shape(plan, step))} to {size_of(step.output)}"
            message = f"an even kernel (={step.operation.window()[0]}) in {show_path(path)} takes the map from {sizes}"
            yield Finding((*path, "kernel"), message)


def _grows(plan: Plan, step: Step) -> bool:
    """Whether a step's even window makes more pixels than its stride asks for."""
    operation = step.operation
    if not isinstance(operation, Conv | Pool) or operation.kernel % 2 or operation.padding != "symmetric":
        return False
    sides = zip(step.output[1:], input_shape(plan, step)[1:], strict=True)
    return any(made > math.ceil(side / operation.stride) for made, side in sides)


RULES = (one_pixel_map, unseen_input, uneven_size, skipped_pixels, growing_map)
