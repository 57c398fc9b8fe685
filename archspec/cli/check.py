"""`archspec check`: is a spec right? Milliseconds, and no torch."""

from __future__ import annotations

from typing import Any

import rich_click as click
from click.exceptions import Exit

from archspec.cli.output import json_option, print_json, set_option, show_error
from archspec.errors import ArchspecError, Diagnostic, printable, show_path
from archspec.plan.budget import plan_within_budget
from archspec.plan.lint import lint_plan, lint_record
from archspec.plan.plan import Plan
from archspec.plugins import Plugins
from archspec.report.words import human, plural
from archspec.spec.load import load_spec


@click.command()
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@set_option
@json_option
@click.pass_obj
def check(plugins: Plugins, specs: tuple[str, ...], strict: bool, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check specs: files, or names of the zoo such as resnet34. Shows every error of a file at once.

    Below a sound spec stand its warnings and notes; `archspec rule CODE` explains one, and `lint: {ignore: [CODE]}` in
    the spec silences it.
    """
    rows = [_check_one(spec, overrides, plugins, strict=strict, quiet=as_json) for spec in specs]
    if as_json:
        print_json({"ok": all(row["ok"] for row in rows), "files": rows})
    if not all(row["ok"] for row in rows):
        raise Exit(1)


def _check_one(spec: str, overrides: tuple[str, ...], plugins: Plugins, *, strict: bool, quiet: bool) -> dict[str, Any]:
    try:
        loaded = load_spec(spec, overrides, plugins=plugins)
        plan = plan_within_budget(loaded)
    except ArchspecError as error:
        if not quiet:
            show_error(error)
        records = [{**record, "file": record["file"] or spec} for record in error.records()]
        return {"file": spec, "ok": False, "errors": records}
    findings = lint_plan(loaded, plan)
    warnings = sum(finding.severity == "warning" for finding in findings)
    ok = not (strict and warnings)
    if not quiet:
        _print_sound(spec, plan, findings, ok=ok)
        if not ok:
            click.echo(f"error: {plural(warnings, 'warning')} in {spec}, and --strict allows none", err=True)
    return {"file": spec, "ok": ok, "errors": [], **_record(plan, findings)}


def _print_sound(spec: str, plan: Plan, findings: list[Diagnostic], *, ok: bool) -> None:
    click.echo(
        f"{'ok' if ok else 'failed'}  {spec}: {plan.parameters:,} parameters, {human(plan.macs)} MACs, "
        f"depth {plan.depth}, receptive field {plan.receptive_field}"
    )
    for finding in findings:
        click.echo(_show(finding))


def _show(finding: Diagnostic) -> str:
    """A warning with the picture of its line, or a note in one line."""
    head = f"{finding.severity}[{finding.code}]:"
    coloured = click.style(head, fg="yellow" if finding.severity == "warning" else "cyan", bold=True)
    if finding.severity == "warning":
        return finding.render().replace(head, coloured, 1) + "\n"
    place = finding.place
    at = f" ({place.file}:{place.line}, {show_path(finding.path) or 'the file'})" if place else ""
    return f"    {coloured} {printable(finding.message + at)}"


def _record(plan: Plan, findings: list[Diagnostic]) -> dict[str, Any]:
    return {
        "warnings": [lint_record(finding) for finding in findings],
        "notes": [finding.message for finding in findings if finding.severity == "note"],
        "parameters": plan.parameters,
        "macs": plan.macs,
        "receptive_field": plan.receptive_field,
        "depth": plan.depth,
        "activation_memory": plan.activation_memory,
    }
