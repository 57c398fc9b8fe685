"""Lint: what is possible, and most likely a mistake. Runs the rules over a plan and points at the spec's lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from archspec.errors import Diagnostic, Place, show_path
from archspec.plan.plan import Plan
from archspec.plan.rules import RULES, Finding, Rule
from archspec.spec.arch import ArchSpec
from archspec.spec.settings import locate


def lint_plan(spec: ArchSpec, plan: Plan) -> list[Diagnostic]:
    """What the rules say of a network, but those that the spec ignores: warnings first, each kind in file order."""
    found: list[Diagnostic] = []
    for rule in RULES.values():
        if rule.code not in spec.lint.ignore:
            found += _merge([_diagnostic(spec, rule, finding) for finding in rule.find(spec, plan)])
    return sorted(found, key=_order)


def _diagnostic(spec: ArchSpec, rule: Rule, finding: Finding) -> Diagnostic:
    place, path = (None, finding.path) if spec.source is None else locate(spec.source, finding.path)
    help = f"help: {rule.advice} (`archspec rule {rule.code}`)"
    severity = finding.severity or rule.severity
    return Diagnostic(finding.message, place, path, notes=(help,), severity=severity, code=rule.code)


def _merge(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """One diagnostic a place: what a default does in every stage is told of once, and counted."""
    told: dict[Place | str, dict[str, Diagnostic]] = {}
    for diagnostic in diagnostics:
        where = diagnostic.place or show_path(diagnostic.path)
        told.setdefault(where, {}).setdefault(diagnostic.message, diagnostic)
    return [_count(list(alike.values())) for alike in told.values()]


def _count(alike: list[Diagnostic]) -> Diagnostic:
    first, *others = alike
    more = f"and {len(others)} more of its kind from this line"
    return replace(first, notes=(more, *first.notes)) if others else first


def _order(diagnostic: Diagnostic) -> tuple[bool, str, int, int, str]:
    place = diagnostic.place
    file, line, column = (place.file, place.line, place.column) if place else ("", 0, 0)
    return diagnostic.severity != "warning", file, line, column, diagnostic.code


def lint_record(diagnostic: Diagnostic) -> dict[str, Any]:
    """A finding as `--json` gives it."""
    record = diagnostic.record()
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "advice": RULES[diagnostic.code].advice,
        **{key: record[key] for key in ("file", "line", "column", "path")},
    }
