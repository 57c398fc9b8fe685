"""`archspec check`: is a spec right? Milliseconds, and no torch."""

from __future__ import annotations

from typing import Any

import rich_click as click
from click.exceptions import Exit

from archspec.cli.output import human, json_option, print_json, set_option, show_error
from archspec.errors import ArchspecError
from archspec.plan.plan import Plan
from archspec.plan.planner import plan_network
from archspec.plugins import Plugins
from archspec.spec.load import load_spec


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@set_option
@json_option
@click.pass_obj
def check(plugins: Plugins, specs: tuple[str, ...], overrides: tuple[str, ...], as_json: bool) -> None:
    """Check specs: files, or names of the zoo such as resnet34. Shows every error of a file at once."""
    rows = [_check_one(spec, overrides, plugins, quiet=as_json) for spec in specs]
    if as_json:
        print_json({"ok": all(row["ok"] for row in rows), "files": rows})
    if not all(row["ok"] for row in rows):
        raise Exit(1)


def _check_one(spec: str, overrides: tuple[str, ...], plugins: Plugins, *, quiet: bool) -> dict[str, Any]:
    try:
        plan = plan_network(load_spec(spec, overrides, plugins=plugins))
    except ArchspecError as error:
        if not quiet:
            show_error(error)
        records = [{**record, "file": record["file"] or spec} for record in error.records()]
        return {"file": spec, "ok": False, "errors": records}
    notes = _notes(plan)
    if not quiet:
        click.echo(
            f"ok  {spec}: {plan.parameters:,} parameters, {human(plan.macs)} MACs, depth {plan.depth}, "
            f"receptive field {plan.receptive_field}"
        )
        for note in notes:
            click.echo(f"    note: {note}")
    return {
        "file": spec,
        "ok": True,
        "errors": [],
        "notes": notes,
        "parameters": plan.parameters,
        "macs": plan.macs,
        "receptive_field": plan.receptive_field,
        "depth": plan.depth,
    }


def _notes(plan: Plan) -> list[str]:
    if plan.logits_end is not None:
        return ["the head ends in softmax; training takes the logits before it, as its loss needs"]
    return []
