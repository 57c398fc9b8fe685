"""`archspec weights`: what a network takes from a file, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from archspec.cli.output import json_option, not_empty, print_json, set_option, show_error
from archspec.cli.weights_convert import convert
from archspec.cli.weights_verify import verify
from archspec.errors import WeightsError
from archspec.plan.planner import plan_network
from archspec.plugins import Plugins
from archspec.spec.load import load_spec
from archspec.weights.settings import Matching

if TYPE_CHECKING:
    from archspec.weights.plan import WeightsPlan


@click.group()
def weights() -> None:
    """Weights of archspec, torchvision and timm: what fits, what is left out, is it right, and convert it."""


weights.add_command(verify)
weights.add_command(convert)


def _none_empty(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        not_empty(ctx, parameter, value)
    return values


def matching_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `Matching`, each under its own name."""
    options = [
        click.option("--key", metavar="KEY", callback=not_empty, help="Of several state dicts, such as model_ema."),
        click.option("--match", type=click.Choice(["names", "order"]), default="names", show_default=True),
        click.option("--map", metavar="FILE", callback=not_empty, help="YAML or JSON of `ours: theirs`."),
        click.option(
            "--input-rule",
            type=click.Choice(["auto", "sum", "mean", "repeat", "zero-extra"]),
            default="auto",
            show_default=True,
            help="For another number of input channels.",
        ),
        click.option(
            "--head", type=click.Choice(["auto", "reset", "by-name"]), default="auto", show_default=True,
            help="For other classes.",
        ),
        click.option(
            "--allow", multiple=True, metavar="NAME", callback=_none_empty,
            help="May be missing: 'stages.3.*'. Repeatable.",
        ),
        click.option("--allow-missing", is_flag=True, help="Anything may be missing."),
        click.option("--classes", metavar="FILE", callback=not_empty, help="The file's classes, a name a line."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@weights.command()
@click.argument("spec")
@click.argument("file")
@set_option
@matching_options
@click.option("--network-classes", metavar="FILE", callback=not_empty, help="The network's classes, a name a line.")
@json_option
@click.pass_obj
def plan(
    plugins: Plugins,
    /,
    spec: str,
    file: str,
    overrides: tuple[str, ...],
    network_classes: str | None,
    as_json: bool,
    allow_missing: bool,
    allow: tuple[str, ...],
    **how: Any,
) -> None:
    """Say what the network of SPEC takes from FILE: a weights file, a run, or one of its checkpoints.

    The exit code is 1 where FILE gives values to less than 95 % of the parameters.
    """
    matching = Matching(allow=(*allow, "*") if allow_missing else allow, **how)
    network = plan_network(load_spec(spec, overrides, plugins=plugins))
    from archspec.weights.heads import read_classes
    from archspec.weights.plan import plan_weights

    classes = read_classes(network_classes) if network_classes is not None else None
    planned = plan_weights(network, file, matching, classes)
    if not _tell(planned, as_json=as_json):
        raise Exit(1)


def _tell(planned: WeightsPlan, *, as_json: bool) -> bool:
    """Print the plan, and the error that refuses it; says whether the file fits."""
    from archspec.report.weights import print_weights

    refusal = None
    try:
        planned.refuse()
    except WeightsError as error:
        refusal = error
    if as_json:
        errors = refusal.records() if refusal is not None else []
        print_json({"ok": refusal is None, "errors": errors, **planned.record()}, rows=True)
    else:
        print_weights(planned)
    if refusal is not None:
        show_error(refusal)
    return refusal is None
