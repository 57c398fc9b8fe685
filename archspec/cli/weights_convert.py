"""`archspec weights convert`: the same tensors under the names of another library."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from archspec.cli.output import check_target, json_option, not_empty, print_json, set_option
from archspec.errors import WeightsError
from archspec.plan.planner import plan_network
from archspec.plugins import Plugins
from archspec.spec.load import load_spec


@click.command()
@click.argument("spec")
@click.argument("file")
@click.argument("out")
@click.option("--to", "library", type=click.Choice(["torchvision", "timm", "archspec"]), required=True)
@click.option("--key", metavar="KEY", callback=not_empty, help="Of several state dicts, such as model_ema.")
@click.option("--force", is_flag=True, help="Replace OUT where it exists.")
@set_option
@json_option
@click.pass_obj
def convert(
    plugins: Plugins,
    spec: str,
    file: str,
    out: str,
    library: str,
    key: str | None,
    force: bool,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the tensors of FILE, which must be exactly those of SPEC's network, into OUT under a library's names.

    OUT ends in .safetensors, or in .pth or .pt for torch.save's format. Every bit is kept.
    """
    target = Path(out)
    _check(target, force=force)
    plan = plan_network(load_spec(spec, overrides, plugins=plugins))
    from archspec.weights.convert import convert_weights, metadata_of, write_tensors
    from archspec.weights.plan import plan_weights
    from archspec.weights.settings import Matching

    planned = plan_weights(plan, file, Matching(key=key))
    naming, tensors = convert_weights(planned, library)
    write_tensors(target, tensors, metadata_of(planned))
    if as_json:
        facts = {"from": planned.naming, "to": naming, "tensors": len(tensors)}
        print_json({"ok": True, "errors": [], "network": plan.name, "source": file, "output": out, **facts})
        return
    click.echo(f"wrote {len(tensors):,} tensors to {out}, from the names of {planned.naming} to those of {naming}")


def _check(target: Path, *, force: bool) -> None:
    """Before any work: has the file a suffix that says its format, and may it be written?"""
    if target.suffix not in (".safetensors", ".pth", ".pt"):
        raise click.UsageError(f"OUT '{target}' ends in none of .safetensors, .pth, .pt.")
    check_target(target, "weights.safetensors")
    if target.exists() and not force:
        raise WeightsError(f"'{target}' exists already", help="name another file, or add --force")
