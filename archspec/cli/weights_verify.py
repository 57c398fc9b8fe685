"""`archspec weights verify`: does a network with these weights do what its peer does?"""

from __future__ import annotations

import rich_click as click
from click.exceptions import Exit

from archspec.cli.output import json_option, not_empty, print_json, set_option
from archspec.plan.planner import plan_network
from archspec.plugins import Plugins
from archspec.spec.load import load_spec


@click.command()
@click.argument("spec")
@click.argument("file")
@click.option("--against", required=True, metavar="PEER", help="torchvision:NAME or timm:NAME.")
@click.option("--key", metavar="KEY", callback=not_empty, help="Of several state dicts, such as model_ema.")
@click.option("--images", type=click.IntRange(1, 1024), default=4, show_default=True, help="Of noise, at SPEC's size.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of the noise.")
@click.option(
    "--tolerance", type=click.FloatRange(0), default=1e-4, show_default=True,
    help="The largest difference allowed, as a share of the largest output.",
)  # fmt: skip
@set_option
@json_option
@click.pass_obj
def verify(
    plugins: Plugins,
    spec: str,
    file: str,
    against: str,
    key: str | None,
    images: int,
    seed: int,
    tolerance: float,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Load FILE into the network of SPEC and into its peer of torchvision or timm, and compare their outputs.

    Both take every tensor of FILE or none. The exit code is 1 where the outputs differ.
    """
    plan = plan_network(load_spec(spec, overrides, plugins=plugins))
    from archspec.network.compile import compile_network
    from archspec.report.weights import print_comparison
    from archspec.weights.compare import compare_outputs, fill_peer
    from archspec.weights.load import apply_weights, refuse_inexact
    from archspec.weights.peers import build_peer
    from archspec.weights.plan import plan_weights
    from archspec.weights.settings import Matching
    from archspec.weights.source import open_source

    peer = build_peer(against, plan)
    planned = plan_weights(plan, file, Matching(key=key))
    refuse_inexact(planned)
    network = compile_network(plan)
    apply_weights(network, planned)
    naming = fill_peer(peer, plan, open_source(file, key).tensors, planned.source)
    found = compare_outputs(network, peer, images=images, seed=seed, tolerance=tolerance)
    if as_json:
        facts = {"network": plan.name, "peer": against, "source": planned.source, "naming": planned.naming}
        print_json({"ok": found.equal, "errors": [], **facts, "seed": seed, **found.record()})
    else:
        whose = f"by the names of {planned.naming} here, by {naming} there"
        tensors = f"{planned.source}, {len(planned.of('copied')):,} tensors, {whose}"
        print_comparison(found, {"networks": f"{plan.name} and {against}", "weights": tensors})
        click.echo("equal" if found.equal else "different")
    if not found.equal:
        raise Exit(1)
