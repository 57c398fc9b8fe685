"""Writes weights under the names of another library: every tensor with its bits, and the file whole or not at all."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from archspec.errors import WeightsError
from archspec.files import write_bytes
from archspec.plan.operations import Conv
from archspec.plan.plan import Plan
from archspec.weights.keymaps import foreign_names
from archspec.weights.load import refuse_inexact
from archspec.weights.plan import WeightsPlan
from archspec.weights.preprocessing import pretrained_config

SUFFIXES = (".safetensors", ".pth", ".pt")
Shape = tuple[int, ...]


def _has_groups(plan: Plan) -> bool:
    convs = [step.operation for step in plan.steps if step.name.startswith("stages.")]
    return any(isinstance(conv, Conv) and 1 < conv.groups < conv.in_channels for conv in convs)


def _has(plan: Plan, ending: str) -> bool:
    return any(step.name.endswith(ending) for step in plan.steps)


_FITS: Mapping[str, Callable[[Plan], bool]] = {
    "timm ResNet-D": lambda plan: _has(plan, ".shortcut.pool"),
    "timm RegNet": lambda plan: not _has(plan, "stem.pool") and _has_groups(plan),
    "torchvision RegNet": lambda plan: not _has(plan, "stem.pool") and _has_groups(plan),
    "torchvision MobileNetV2": lambda plan: not _has(plan, ".attention.conv1"),
    "torchvision EfficientNet": lambda plan: _has(plan, ".attention.conv1"),
}
"""What tells apart the families whose tables have a name for each tensor of a plan; the first that fits is taken."""

_TIMM_LINEAR = 96
"""Channels of the first stage from which on timm's ConvNeXt has linear layers where smaller ones have convolutions."""


def target_names(plan: Plan, library: str) -> tuple[str, dict[str, str]]:
    """The naming of a library for a plan, and its tensors' names there. timm calls a plain ResNet as torchvision does.

    Raises:
        WeightsError: the library has no names for some tensors of such a network.

    """
    ours = [name for name, _, _ in plan.tensors()]
    if library == "archspec":
        return "archspec", {name: name for name in ours}
    whole = {naming: names for naming, names in foreign_names(plan) if len(names) == len(ours)}
    fitting = [naming for naming in whole if _FITS.get(naming, lambda plan: True)(plan)]
    plain = [naming for naming in fitting if naming == "torchvision"]
    named = [naming for naming in fitting if naming.startswith(library) and naming != "torchvision"]
    if not (named or plain):
        message = f"{library} has no network of {plan.name}'s kind: no naming of it has a name for every tensor"
        raise WeightsError(message, help="--to archspec keeps our names")
    naming = (named or plain)[0]
    return naming, whole[naming]


def convert_weights(planned: WeightsPlan, library: str) -> tuple[str, dict[str, Tensor]]:
    """The tensors of a plan of weights under a library's names and in its shapes, and the naming.

    Raises:
        WeightsError: a tensor is missing, adapted or left over, or the library has no such network.

    """
    refuse_inexact(planned)
    naming, names = target_names(planned.plan, library)
    values = {row.name: row.value for row in planned.rows if row.value is not None}
    narrow = planned.plan.stages[0].output[0] < _TIMM_LINEAR
    return naming, {
        names[name]: value.reshape(_shape_there(naming, name, tuple(value.shape), narrow=narrow))
        for name, value in values.items()
    }


def _shape_there(naming: str, name: str, shape: Shape, *, narrow: bool) -> Shape:
    """The shape that a tensor has in a library that writes a layer otherwise."""
    pointwise = re.fullmatch(r"stages\.\d+\.\d+\.conv\d\.weight", name) is not None and shape[2:] == (1, 1)
    if naming == "timm ResNetV2" and name == "head.linear.weight":
        return (*shape, 1, 1)  # a convolution there
    if pointwise and (naming == "torchvision ConvNeXt" or (naming == "timm ConvNeXt" and not narrow)):
        return shape[:2]  # a linear layer there
    if naming == "torchvision ConvNeXt" and name.endswith(".scale.weight"):
        return (*shape, 1, 1)
    return shape


def metadata_of(planned: WeightsPlan) -> dict[str, str]:
    """What a safetensors file can say beside its tensors: the preprocessing that was stated, and the classes."""
    known = planned.preprocessing
    stated = pretrained_config(known.values, planned.classes) if known is not None and known.stated else {}
    return {"format": "pt", **stated}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a file, by its suffix: `.safetensors`, or `.pth` and `.pt` as `torch.save` does.

    Raises:
        WeightsError: it cannot be written; what was there before is still there.

    """
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        if path.suffix == ".safetensors":
            write_bytes(path, save(whole, dict(metadata)))
        else:
            stream = io.BytesIO()
            torch.save(whole, stream)
            write_bytes(path, stream.getvalue())
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise WeightsError(f"'{path}' cannot be written: {reason}") from error
