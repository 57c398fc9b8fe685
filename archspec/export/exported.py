"""What an exporter is given: a network that is ready for inference, and all that is known of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from torch import nn

from archspec.data.preprocessing import Preprocessing
from archspec.plan.plan import Plan
from archspec.spec.arch import ArchSpec
from archspec.spec.dump import to_data
from archspec.weights.preprocessing import pretrained_config


@dataclass(frozen=True)
class Exported:
    """A network, and what a file of it can say."""

    network: nn.Module
    """Normalised images (B, C, H, W) -> (B, classes), with the softmax where the spec's head has one. In evaluation
    mode, on the CPU, in float32 and contiguous; batch norms are not folded; its parameters need no gradient."""
    plan: Plan
    """`input` is (C, H, W), `output` is (classes,), and `tensors()` names the network's tensors in order."""
    spec: ArchSpec
    classes: tuple[str, ...] | None = None
    """In the order of the outputs; None where the weights are of a file that does not say."""
    preprocessing: Preprocessing | None = None
    """What evaluation does to an image before the network sees it; None where the weights' file does not say."""

    def record(self) -> dict[str, Any]:
        """Spec, classes and preprocessing as plain data, for JSON. The spec can be read again as a file."""
        return {
            "spec": to_data(self.spec),
            "classes": None if self.classes is None else list(self.classes),
            "preprocessing": self.preprocessing and self.preprocessing.model_dump(mode="json"),
        }

    def metadata(self) -> dict[str, str]:
        """What a file of tensors can say beside them, each a text of JSON; what is not known is left out.

        `spec`, `classes`, `preprocessing`; and the two last again as timm writes them, which `archspec weights` reads.
        """
        known = {name: json.dumps(value) for name, value in self.record().items() if value is not None}
        return known | (pretrained_config(self.preprocessing, self.classes) if self.preprocessing is not None else {})
