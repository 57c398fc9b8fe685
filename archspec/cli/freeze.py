"""`archspec freeze`: what a freezing policy does to a network, before anything trains."""

from __future__ import annotations

from typing import Any

import rich_click as click

from archspec.cli.output import json_option, print_json
from archspec.finetuning.choice import FreezingChoice, read_freezing
from archspec.finetuning.phases import Phase, mean_compute, phases
from archspec.finetuning.policy import make_policy, plan_under
from archspec.offers import Options
from archspec.plan.plan import Plan
from archspec.plan.planner import plan_network
from archspec.plugins import Plugins
from archspec.spec.dump import to_data
from archspec.spec.load import load_spec


@click.group()
def freeze() -> None:
    """What a freezing policy does to a network."""


@freeze.command()
@click.argument("spec")
@click.option("--freeze", "policy", metavar="NAME[:VALUE]", help="The policy.  [default: the recipe's]")
@click.option("--recipe", metavar="NAME|FILE", default="default", show_default=True, help="Whose epochs, and policy.")
@click.option("--epochs", type=click.IntRange(1, 100_000), help="How long the run is.  [default: the recipe's]")
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change the spec, or recipe.freeze.KEY.")
@json_option
@click.pass_obj
def plan(
    plugins: Plugins,
    /,
    spec: str,
    policy: str | None,
    recipe: str,
    epochs: int | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show what of SPEC trains in which epochs, where the frozen prefix ends, and what a step then costs.

    A policy is written as `until:stages.2`, `gradual:3`, `lp-ft:5`, `patterns:stem.*,stages.0.*` or `layer-decay:0.8`.
    """
    of_recipe = [override for override in overrides if override.startswith("recipe.")]
    of_spec = [override for override in overrides if override not in of_recipe]
    read = load_spec(spec, of_spec, plugins=plugins)
    plan_network(read)  # an impossible shape is told first
    options, epochs = _choose(plugins, policy, recipe, epochs, of_recipe)
    network = plan_under(options, read)
    found = phases(network, make_policy(options, network, epochs), epochs)
    if as_json:
        print_json(_document(network, options, epochs, found))
        return
    from archspec.report.freezing import print_phases

    print_phases(network, options, epochs, found)


def _choose(
    plugins: Plugins, policy: str | None, recipe: str, epochs: int | None, overrides: list[str]
) -> tuple[Options, int]:
    """The options of the policy, and how many epochs; the recipe's, where the command line has none."""
    from archspec.training.documents import load_recipe

    whole = load_recipe(recipe, overrides if policy is None else (), plugins)
    if epochs is None and (whole.steps is not None or whole.time is not None):
        raise click.UsageError("The recipe says no epochs: give --epochs.")
    options = whole.freeze if policy is None else read_freezing(policy, plugins, overrides)
    return options, epochs or whole.epochs


def _document(network: Plan, options: Options, epochs: int, found: tuple[Phase, ...]) -> dict[str, Any]:
    return {
        "name": network.name,
        "parameters": network.parameters,
        **to_data(FreezingChoice(freeze=options)),
        "epochs": epochs,
        "compute": mean_compute(found),
        "compute_kept": mean_compute(found, kept=True),
        "phases": [_record(phase) for phase in found],
    }


def _record(phase: Phase) -> dict[str, Any]:
    prefix = phase.prefix
    return {
        "first_epoch": phase.start + 1,
        "last_epoch": phase.stop,
        "trains": phase.trains,
        "trained": phase.trained,
        "frozen": phase.frozen,
        "scales": phase.scales,
        "batch_norms": dict(phase.norms),
        "prefix": {
            "steps": prefix.steps,
            "last": prefix.last,
            "border": prefix.border,
            "at_border": prefix.at_border,
            "output": prefix.output,
        },
        "compute": phase.compute,
        "compute_kept": phase.compute_kept,
    }
