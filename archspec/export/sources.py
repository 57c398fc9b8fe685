"""Opens what is exported: the checkpoint of a run, or a spec and a file of weights. Nothing in it is left to chance."""

from __future__ import annotations

import dataclasses

from archspec.errors import RunError, WeightsError
from archspec.export.exported import Exported
from archspec.finetuning.policy import plan_under
from archspec.network.compile import compile_network
from archspec.plan.planner import plan_network
from archspec.spec.arch import ArchSpec
from archspec.training.checkpoint import read_checkpoint
from archspec.training.run import Run
from archspec.weights.load import apply_weights, refuse_inexact
from archspec.weights.plan import plan_weights


def export_of_run(run: Run, checkpoint: str) -> Exported:
    """The network of a run's checkpoint, `best` or `last`, with the parameters that its freezing policy added.

    Raises:
        RunError: there is no such checkpoint, it is damaged, or it is not of the run's spec.

    """
    manifest, state = read_checkpoint(run.best if checkpoint == "best" else run.last)
    plan = plan_under(run.recipe.freeze, run.spec)
    try:
        network = compile_network(plan, state=state)
    except WeightsError as error:
        raise RunError(f"the checkpoint is not of the run's spec: {error.message}") from error
    found = Exported(network, plan, run.spec, manifest.classes, manifest.preprocessing)
    return _ready(found)


def export_of_weights(spec: ArchSpec, file: str) -> Exported:
    """The network of a spec with the weights of a file, a run or a checkpoint, which must have every tensor.

    Raises:
        WeightsError: the file cannot be read, or its tensors are not exactly those of the network.

    """
    plan = plan_network(spec)
    planned = plan_weights(plan, file)
    planned.refuse()  # which knows the likely cause
    refuse_inexact(planned)  # what training would begin afresh would stay at random here
    network = compile_network(plan)
    apply_weights(network, planned)
    known = planned.preprocessing
    preprocessing = known.fit(plan.input) if known is not None and known.stated else None
    found = Exported(network, plan, spec, planned.classes, preprocessing)
    return _ready(found)


def _ready(found: Exported) -> Exported:
    """The same, its network set for inference."""
    return dataclasses.replace(found, network=found.network.eval().requires_grad_(False))
