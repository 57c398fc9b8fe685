"""A command: what every layer of a network costs, as a table that a spreadsheet opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec import Offer, Offers, Options, hookimpl

if TYPE_CHECKING:
    import click
    from archspec import Plugins


def layers() -> click.Command:
    """`archspec $name SPEC`: a line for each layer, with its parameters and multiply-adds."""
    import math

    import click
    from archspec import load_spec, plan_network

    @click.command()
    @click.argument("spec")
    @click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change a value of the spec.")
    @click.pass_obj
    def command(plugins: Plugins, spec: str, overrides: tuple[str, ...]) -> None:
        """Print the layers of SPEC as CSV: name, parameters, multiply-adds."""
        plan = plan_network(load_spec(spec, overrides, plugins=plugins))
        click.echo("layer,parameters,macs")
        for step in plan.steps:
            parameters = sum(map(math.prod, step.operation.parameters().values()))
            click.echo(f"{step.name},{parameters},{step.macs}")

    return command


@hookimpl
def archspec_commands() -> Offers:
    return {"$name": Offer(Options, layers, "what every layer costs, as CSV")}
