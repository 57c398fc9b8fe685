"""What the tensors of a plan are called in timm's pretrained files."""

from __future__ import annotations

import timm
import torch

from archspec import Plan
from archspec.errors import ArchspecError
from archspec_timm.operation import TimmStage


def timm_names(plan: Plan) -> dict[str, str]:
    """Modules here -> modules there: of timm's stages, and the last linear layer where no other tensor is left.

    A ConvNeXt has a norm before that layer, and an EfficientNet a convolution, which are no part of a stage: without
    them the layer's weights would be those of other features.

    Raises:
        ArchspecError: the plan has nothing of timm's.

    """
    names: dict[str, str] = {}
    models = dict.fromkeys(step.operation.model for step in plan.steps if isinstance(step.operation, TimmStage))
    if not models:
        raise ArchspecError(f"{plan.name} has nothing of timm's", help="write a stem or a stage of the type `timm`")
    for model in models:
        with torch.device("meta"):
            whole = timm.create_model(model)
        # timm joins the parts of a nested module's name when it cuts a network
        theirs = {name.replace(".", "_"): name for name, _ in reversed(list(whole.named_modules()))}
        for step in plan.steps:
            if isinstance(step.operation, TimmStage) and step.operation.model == model:
                children = dict.fromkeys(tensor.partition(".")[0] for tensor in step.operation.parameters())
                names |= {f"{step.name}.{child}": theirs[child] for child in children}
        classifier = whole.pretrained_cfg.get("classifier")
        taken = {*names.values(), classifier}
        left = [name for name in whole.state_dict() if not any(name.startswith(f"{module}.") for module in taken)]
        if isinstance(classifier, str) and not left and "head.linear" in {step.name for step in plan.steps}:
            names["head.linear"] = classifier
    return names
