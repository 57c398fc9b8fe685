"""Stages of timm's networks: cut out, and measured."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import timm
import torch
from timm.models import FeatureListNet
from torch import nn

from archspec import ImpossibleShape, MacCounter

if TYPE_CHECKING:
    from archspec_timm.operation import TimmStage

Shape = tuple[int, ...]
_NESTED = ("timm.models.efficientnet", "timm.models.mobilenetv3")
"""Their stages lie in one module, and timm cuts them by a class of its own."""


@dataclass(frozen=True)
class Measured:
    """What torch says of a stage."""

    output: Shape
    tensors: tuple[tuple[str, Shape, bool], ...]
    """In the order of the state dict, and whether they are trained."""
    macs: int
    stride: int


def make_stage(operation: TimmStage) -> nn.Module:
    """The module of an operation, initialised by timm."""
    return _cut(operation.model, operation.stage, operation.input[0])[0]


@cache
def measure_stage(model: str, stage: int, shape: Shape) -> Measured:
    """What a stage makes of a map (C, H, W), by running it on a batch of no images.

    Raises:
        ImpossibleShape: there is no such network or stage, or it cannot take such a map.

    """
    what = f"stage {stage} of '{model}'"
    if len(shape) != 3:
        raise ImpossibleShape(f"{what} needs a map (C, H, W), not a vector of {shape[0]}")
    with torch.device("meta"):
        module, channels, made, stride = _cut(model, stage, shape[0])
    if channels != shape[0]:
        raise ImpossibleShape(f"{what} takes {channels} channels, and gets {shape[0]}", "stage")
    module.to_empty(device="cpu").eval()
    try:
        with torch.no_grad(), MacCounter() as counter:
            output = module(torch.empty(0, *shape))
    except (RuntimeError, ValueError, AssertionError) as error:
        message = f"{what} cannot take a map of {shape}: {str(error).splitlines()[0]}"
        help = (
            "stages with attention inside them, as a Swin's, often cannot take a batch of no images, as archspec asks"
        )
        raise ImpossibleShape(message, "model", help=help) from error
    if output.ndim != 4 or output.shape[1] != made:
        raise ImpossibleShape(
            f"{what} makes {tuple(output.shape[1:])} of it, and a map is (channels, height, width)",
            "model",
        )
    trained = {name for name, _ in module.named_parameters()}
    tensors = tuple((name, tuple(tensor.shape), name in trained) for name, tensor in module.state_dict().items())
    return Measured(
        tuple(output.shape[1:]),
        tensors,
        counter.macs,
        stride,
    )


def _cut(model: str, stage: int, channels: int) -> tuple[nn.Sequential, int, int, int]:
    """A stage of a network, the channels that it takes and makes, and its stride."""
    _refuse_unknown(model)
    first = {"in_chans": channels} if stage == 0 else {}
    try:
        if timm.models.model_entrypoint(model).__module__ in _NESTED:
            whole = FeatureListNet(timm.create_model(model, **first), out_indices=(stage,), flatten_sequential=True)
        else:
            whole = timm.create_model(model, features_only=True, feature_cls="list", out_indices=(stage,), **first)
    except Exception as error:  # timm's own, of many kinds, for networks that have no such maps
        _refuse_stage(model, stage)
        help = "only a network that is a row of modules can be cut, as ResNets and ConvNeXts are, and ViTs are not"
        raise ImpossibleShape(f"timm cannot cut stage {stage} of '{model}': {error}", "model", help=help) from error
    info = whole.feature_info.info
    names = list(whole)
    begin = names.index(info[stage - 1]["module"].replace(".", "_")) + 1 if stage else 0
    before = info[stage - 1] if stage else {"num_chs": channels, "reduction": 1}
    kept = {name: whole[name] for name in names[begin:]}
    cut = nn.Sequential()
    for name, module in kept.items():
        cut.add_module(name, module)
    after = info[stage]
    return cut, before["num_chs"], after["num_chs"], after["reduction"] // before["reduction"]


def _refuse_stage(model: str, stage: int) -> None:
    """A number behind the last stage's, where the network can be cut at all."""
    try:
        last = len(timm.create_model(model, features_only=True).feature_info) - 1
    except Exception:  # as in `_cut`, whose error says more
        return
    if stage > last:
        raise ImpossibleShape(f"'{model}' has no stage {stage}", "stage", help=f"it has 1 to {last}")


def _refuse_unknown(model: str) -> None:
    """A spec is data: a name that would have timm fetch something is none of its networks."""
    if not timm.is_model(model):
        near = difflib.get_close_matches(model, timm.list_models(), n=3)
        help = f"did you mean {' or '.join(near)}?" if near else "`timm.list_models()` has the names"
        raise ImpossibleShape(f"timm has no network '{model}'", "model", help=help)
