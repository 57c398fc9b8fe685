"""archspec: one YAML file that describes a residual network becomes a checked plan, a PyTorch module, a trained model.

Importing this imports no torch; `compile_network`, `build_network` and `load_weights` load it when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from archspec import errors
    from archspec.data.augmentation import TransformOptions
    from archspec.data.reading import Reduction
    from archspec.export.exported import Exported
    from archspec.export.options import ExporterOptions
    from archspec.finetuning.treatment import FreezingOptions, ImpossibleFreezing, Treatment
    from archspec.hookspecs import Offers, hookimpl
    from archspec.network.compile import Network, build_network, compile_network
    from archspec.network.verify import MacCounter
    from archspec.offers import Offer, Offered, Options, Settings
    from archspec.plan.builder import Builder, Value
    from archspec.plan.gates import Norm
    from archspec.plan.operations import Conv, ImpossibleShape, Operation
    from archspec.plan.plan import Plan, Step
    from archspec.plan.planner import plan_network
    from archspec.plugins import Plugins
    from archspec.spec.arch import ArchSpec
    from archspec.spec.load import load_spec
    from archspec.spec.parts import BlockOptions, HeadOptions, ResidualBlockOptions, StemOptions, Style
    from archspec.training.evaluation import Evaluation
    from archspec.training.loop import Trainer
    from archspec.training.results import EpochResult, StepResult
    from archspec.training.run import Run, open_run
    from archspec.training.run_events import RunEvents
    from archspec.training.tracking import Tracker
    from archspec.weights.load import load_weights

_HOMES = {
    "ArchSpec": "archspec.spec.arch",
    "BlockOptions": "archspec.spec.parts",
    "Builder": "archspec.plan.builder",
    "Conv": "archspec.plan.operations",
    "EpochResult": "archspec.training.results",
    "Evaluation": "archspec.training.evaluation",
    "Exported": "archspec.export.exported",
    "ExporterOptions": "archspec.export.options",
    "FreezingOptions": "archspec.finetuning.treatment",
    "HeadOptions": "archspec.spec.parts",
    "ImpossibleFreezing": "archspec.finetuning.treatment",
    "ImpossibleShape": "archspec.plan.operations",
    "MacCounter": "archspec.network.verify",
    "Network": "archspec.network.compile",
    "Norm": "archspec.plan.gates",
    "Offer": "archspec.offers",
    "Offered": "archspec.offers",
    "Offers": "archspec.hookspecs",
    "Operation": "archspec.plan.operations",
    "Options": "archspec.offers",
    "Plan": "archspec.plan.plan",
    "Plugins": "archspec.plugins.manager",
    "Reduction": "archspec.data.reading",
    "ResidualBlockOptions": "archspec.spec.parts",
    "Run": "archspec.training.run",
    "RunEvents": "archspec.training.run_events",
    "Settings": "archspec.offers",
    "StemOptions": "archspec.spec.parts",
    "Step": "archspec.plan.plan",
    "StepResult": "archspec.training.results",
    "Style": "archspec.spec.parts",
    "Tracker": "archspec.training.tracking",
    "Trainer": "archspec.training.loop",
    "TransformOptions": "archspec.data.augmentation",
    "Treatment": "archspec.finetuning.treatment",
    "Value": "archspec.plan.builder",
    "build_network": "archspec.network.compile",
    "compile_network": "archspec.network.compile",
    "hookimpl": "archspec.hookspecs",
    "load_spec": "archspec.spec.load",
    "load_weights": "archspec.weights.load",
    "open_run": "archspec.training.run",
    "plan_network": "archspec.plan.planner",
}

__all__ = [
    "ArchSpec",
    "BlockOptions",
    "Builder",
    "Conv",
    "EpochResult",
    "Evaluation",
    "Exported",
    "ExporterOptions",
    "FreezingOptions",
    "HeadOptions",
    "ImpossibleFreezing",
    "ImpossibleShape",
    "MacCounter",
    "Network",
    "Norm",
    "Offer",
    "Offered",
    "Offers",
    "Operation",
    "Options",
    "Plan",
    "Plugins",
    "Reduction",
    "ResidualBlockOptions",
    "Run",
    "RunEvents",
    "Settings",
    "StemOptions",
    "Step",
    "StepResult",
    "Style",
    "Tracker",
    "Trainer",
    "TransformOptions",
    "Treatment",
    "Value",
    "build_network",
    "compile_network",
    "errors",
    "hookimpl",
    "load_spec",
    "load_weights",
    "open_run",
    "plan_network",
]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("archspec.errors")
    if name not in _HOMES:
        raise AttributeError(f"module 'archspec' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
