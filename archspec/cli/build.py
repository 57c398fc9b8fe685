"""`archspec build`: what is a spec? Compiles the network, and proves the plan's figures against it."""

from __future__ import annotations

from dataclasses import asdict

import rich_click as click

from archspec.cli.output import json_option, print_json, set_option
from archspec.plan.budget import plan_within_budget
from archspec.plugins import Plugins
from archspec.spec.load import load_spec


@click.command()
@click.argument("spec")
@set_option
@json_option
@click.pass_obj
def build(plugins: Plugins, spec: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Build a spec: its shapes, parameters, multiply-adds and receptive field, checked against the compiled module."""
    plan = plan_within_budget(load_spec(spec, overrides, plugins=plugins))
    from archspec.network.verify import verify_plan
    from archspec.report.network import print_plan

    verify_plan(plan)  # it raises where they differ
    if not as_json:
        print_plan(plan, checked=True)
        return
    print_json(
        {
            "name": plan.name,
            "input": plan.input,
            "output": plan.output,
            "parameters": plan.parameters,
            "macs": plan.macs,
            "depth": plan.depth,
            "receptive_field": plan.receptive_field,
            "activation_memory": plan.activation_memory,
            "init": plan.init,
            "stages": [asdict(stage) for stage in plan.stages],
            "parts": [asdict(part) for part in plan.parts],
        }
    )
