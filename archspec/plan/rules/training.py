"""A3 to A5: what shows in training: norms, the head, and faults of torch."""

from __future__ import annotations

import math
from collections.abc import Iterator

from archspec.errors import show_path
from archspec.plan.branches import Dropout
from archspec.plan.gates import BatchNorm
from archspec.plan.operations import Conv
from archspec.plan.plan import Plan
from archspec.plan.rules.rule import Finding, parts, rule, typical_steps
from archspec.spec.arch import ArchSpec

MOST_DROPOUT = 0.5
FEWEST_CHANNELS = 16


@rule("A301", "norm-of-one-pixel", "warning", "train with batches of 16 or more, or take `norm: group`")
def norm_of_one_pixel(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """Batch normalisation over maps of 1x1.

    Why: BatchNorm takes its mean and variance over the pixels of a batch. Where a map has one pixel, a batch of 8
        leaves 8 values: the statistics are mostly noise, and a batch of one image is an error in torch ("Expected more
        than 1 value per channel when training"). Wu and He 2018 (https://arxiv.org/abs/1803.08494), figure 1, show how
        the error grows as batches shrink.
    Mend: Train with batches of 16 or more, drop the last incomplete batch, take `norm: group`, or keep the map larger
        (see A101).
    Wrong:
        input: {size: 32}
        stages:
          - {block: basic, filters: 64, strides: 2}
          - {block: basic, filters: 128, strides: 2}
          - {block: basic, filters: 256, strides: 2}
    Right:
        input: {size: 64}
        stages:
          - {block: basic, filters: 64, strides: 2}
          - {block: basic, filters: 128, strides: 2}
          - {block: basic, filters: 256, strides: 2}
    """
    for path, step in typical_steps(plan):
        if isinstance(step.operation, BatchNorm) and math.prod(step.output[1:]) == 1:
            message = f"the batch norm in {show_path(path)} sees one value of each image, on maps of 1x1"
            yield Finding((*path, "norm"), message)


@rule("A302", "bias-before-norm", "note", "leave `bias` at false where a batch norm follows")
def bias_before_norm(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """Convolutions with a bias that a batch norm follows at once.

    Why: A batch norm takes the mean of its input away, and the convolution's bias with it: the bias has no effect, no
        gradient, and costs memory traffic. The norm has a bias of its own. Ioffe and Szegedy 2015
        (https://arxiv.org/abs/1502.03167), section 3.2.
    Mend: Leave `bias` at false. Set it only where weights with biases, such as Keras's, are to fit.
    Wrong:
        defaults: {bias: true}
    Right:
        defaults: {bias: false}
    """
    found = []
    for path, blocks in parts(plan):
        for number in range(blocks[0].start, blocks[-1].stop - 1):
            conv, follower = plan.steps[number].operation, plan.steps[number + 1]
            follows = isinstance(follower.operation, BatchNorm) and follower.inputs == (number + 1,)
            if follows and isinstance(conv, Conv) and conv.bias:
                found.append((path, conv.out_channels))
    if found:
        biases = sum(channels for _, channels in found)
        message = f"{biases:,} biases of {len(found):,} convolutions are taken away by the batch norms behind them"
        yield Finding((*found[0][0], "bias"), message)


@rule("A401", "softmax-head", "note", "set `softmax: false` unless an exported network must return probabilities")
def softmax_head(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """The head ends in softmax.

    Why: The loss takes logits and applies a softmax of its own, in a form that does not overflow. archspec trains on
        the value before the softmax, so nothing is applied twice; code of your own that takes the network's output for
        logits would train slowly and badly.
    Mend: Leave it where an exported network is to return probabilities; else set `softmax: false`.
    Wrong:
        head: {type: classifier, classes: 10, softmax: true}
    Right:
        head: {type: classifier, classes: 10}
    """
    if plan.logits_end is not None:
        message = "the head ends in softmax; training takes the logits before it, as its loss needs"
        yield Finding(("head", "softmax"), message)


@rule("A402", "one-class", "warning", "give the head two classes: one logit for each, for yes and no too")
def one_class(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """A classifier of one class.

    Why: The softmax over one logit is 1, whatever the network says: the loss is 0 from the first step, there is no
        gradient, and accuracy is 100 %. A network for yes or no has two classes here.
    Mend: Count every class in `head.classes`, the negative one too. `train` sets it from the data.
    Wrong:
        head: {type: classifier, classes: 1}
    Right:
        head: {type: classifier, classes: 2}
    """
    if plan.output == (1,):
        yield Finding(("head", "classes"), "a classifier of one class has nothing to choose between")


@rule("A403", "heavy-dropout", "warning", "take 0.5 or less")
def heavy_dropout(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """More than half of the features are dropped.

    Why: Dropout at 0.5 trains the largest variety of networks at once (Srivastava et al. 2014,
        https://jmlr.org/papers/v15/srivastava14a.html). Beyond it little of the features is left to train on; 0.8 is
        often meant as the share that is kept, as TensorFlow 1 wrote it.
    Mend: Take a rate between 0.1 and 0.5, and weight decay or augmentation for more.
    Wrong:
        head: {type: classifier, classes: 10, dropout: 0.8}
    Right:
        head: {type: classifier, classes: 10, dropout: 0.2}
    """
    for path, step in typical_steps(plan):
        if isinstance(step.operation, Dropout) and step.operation.rate > MOST_DROPOUT:
            rate = step.operation.rate
            message = f"dropout of {rate:g} in {show_path(path)} leaves {1 - rate:.0%} of the features to train on"
            yield Finding((*path, "dropout"), message)


@rule(
    "A501",
    "torch-strided-1x1",
    "warning",
    "take 16 channels or more, or train on CPUs with `--set recipe.channels_last=false`",
)
def torch_strided_1x1(spec: ArchSpec, plan: Plan) -> Iterator[Finding]:
    """A 1x1 convolution of stride 2 has fewer than 16 input channels.

    Why: The backward pass of torch 2.14 corrupts its heap there on CPUs, in channels-last memory and with several
        threads, when batches differ in size, as the last of an epoch does: the process ends in a segmentation fault,
        or learns from garbage. Measured on torch 2.14.1: 3, 4, 8, 12 and 15 channels crash, 16 and 24 do not.
    Mend: Take 16 channels or more, or shortcut A or D in place of B; or train with `--set recipe.channels_last=false`,
        with `OMP_NUM_THREADS=1`, or on a GPU. RepVGG's stem has such a convolution over the image's 3 channels.
    Wrong:
        stem: {type: conv, filters: 8, kernel: 3, strides: 1}
        stages:
          - {block: basic, filters: 16, strides: 2}
          - {block: basic, filters: 32, strides: 2, repeats: 8}
    Right:
        stem: {type: conv, filters: 16, kernel: 3, strides: 1}
        stages:
          - {block: basic, filters: 16, strides: 2}
          - {block: basic, filters: 32, strides: 2, repeats: 8}
    """
    for path, step in typical_steps(plan):
        conv = step.operation
        if isinstance(conv, Conv) and conv.kernel == 1 and conv.stride > 1 and conv.in_channels < FEWEST_CHANNELS:
            which = f"a 1x1 convolution of stride {conv.stride} in {show_path(path)} reads {conv.in_channels} channels"
            yield Finding((*path, "strides"), f"{which}, where torch 2.14 corrupts its heap on CPUs")


RULES = (norm_of_one_pixel, bias_before_norm, softmax_head, one_class, heavy_dropout, torch_strided_1x1)
