"""What a step of training costs in multiply-adds, by what of the network trains. No torch here."""

from __future__ import annotations

from archspec.finetuning.treatment import Treatment, Treatments
from archspec.plan.plan import Plan, Step

_TRAINED = Treatment(trains=True)


def training_macs(plan: Plan, treatments: Treatments, *, skipped: int = 0) -> int:
    """Multiply-adds of a forward and a backward pass of one image, less the first `skipped` steps.

    sum over steps of macs * (1 + [its input has a gradient] + [its weight trains]). An input has a gradient where
    something that trains stands before it. So a step in front of all that trains costs 1, a frozen one behind it 2, one
    that trains 3, and the first that trains 2, of whose input nobody needs the gradient. Biases, norms and
    activations cost nothing, as in a plan's MACs.
    """
    total, with_gradient = 0, [False]
    for number, step in enumerate(plan.steps):
        behind = any(with_gradient[value] for value in step.inputs)
        trained = _trained(step, treatments)
        with_gradient.append(behind or bool(trained))
        if number >= skipped:
            total += step.macs * (1 + behind + any(axes > 1 for axes in trained))
    return total


def share_of_compute(plan: Plan, treatments: Treatments, *, skipped: int = 0) -> float:
    """The share of what training everything costs: `training_macs` of these treatments over that of all trained.

    Training everything costs 3 times the forward pass, less the gradient of the image. `skipped` is the number of steps
    whose output is kept from an earlier epoch: those cost nothing.
    """
    everything = training_macs(plan, dict.fromkeys(treatments, _TRAINED))
    return training_macs(plan, treatments, skipped=skipped) / everything if everything else 1.0


def _trained(step: Step, treatments: Treatments) -> list[int]:
    """How many axes each parameter has that trains."""
    shapes = step.operation.parameters()
    return [len(shape) for name, shape in shapes.items() if treatments[f"{step.name}.{name}"].trains]
