"""`archspec rule`: what a rule of the linter means, and how to mend what it finds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import rich_click as click

from archspec.cli.output import json_option, print_json
from archspec.errors import ArchspecError
from archspec.plan.rules import RULES, Rule
from archspec.plugins import closest


@click.command()
@click.argument("code", required=False)
@json_option
def rule(code: str | None, as_json: bool) -> None:
    """Explain the rule CODE, such as A101 or one-pixel-map: what, why, and how to mend it. Without CODE, list them."""
    from archspec.report.rules import print_rule, print_rules

    if code is None:
        print_json([_record(each) for each in RULES.values()]) if as_json else print_rules()
        return
    found = _find(code)
    print_json(_record(found)) if as_json else print_rule(found)


def _find(code: str) -> Rule:
    named = {name: each for each in RULES.values() for name in (each.code.lower(), each.name)}
    if code.lower() in named:
        return named[code.lower()]
    match = closest(code, named)
    known = f"rules: {', '.join(RULES)}"
    meant = f"did you mean '{named[match].code}' ({named[match].name})? " if match else ""
    raise ArchspecError(f"there is no rule '{code}'", help=meant + known)


def _record(found: Rule) -> dict[str, Any]:
    return {
        "code": found.code,
        "name": found.name,
        "severity": found.severity,
        "advice": found.advice,
        **asdict(found.explanation),
    }
