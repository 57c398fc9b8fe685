"""What other libraries call the tensors of a plan."""

from __future__ import annotations

import re

from archspec.plan.plan import Plan

_RESNET = (
    (r"^stem\.conv\.", "conv1."),
    (r"^stem\.norm\.", "bn1."),
    (r"^stages\.(\d+)\.(\d+)\.conv(\d)\.", r"layer{0}.\2.conv\3."),
    (r"^stages\.(\d+)\.(\d+)\.norm(\d)\.", r"layer{0}.\2.bn\3."),
    (r"^stages\.(\d+)\.(\d+)\.shortcut\.conv\.", r"layer{0}.\2.downsample.0."),
    (r"^stages\.(\d+)\.(\d+)\.shortcut\.norm\.", r"layer{0}.\2.downsample.1."),
    (r"^head\.linear\.", "fc."),
)


def torchvision_names(plan: Plan) -> dict[str, str]:
    """The plan's tensor names -> those of torchvision's and timm's ResNets. What they lack is left out."""
    names = {}
    for name, _, _ in plan.tensors():
        for pattern, theirs in _RESNET:
            match = re.match(pattern, name)
            if match:
                stage = int(match[1]) + 1 if match.groups() else 0  # stages count from 0 here, layers from 1 there
                names[name] = match.expand(theirs.replace("{0}", str(stage))) + name[match.end() :]
                break
    return names
