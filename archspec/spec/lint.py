"""`lint:` in a spec: which rules it silences."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from archspec.errors import shorten
from archspec.offers import Settings

RULE_CODES = (
    *("A101", "A102", "A103", "A104", "A105"),
    *("A201", "A202", "A203", "A204"),
    *("A301", "A302"),
    *("A401", "A402", "A403"),
    *("A501",),
)
"""The codes of `archspec.plan.rules`. They stand here because a spec is read before anything that needs a plan."""


def _known(code: str) -> str:
    if code not in RULE_CODES:
        raise ValueError(f"names no rule: '{shorten(code)}'; `archspec rule` lists them")
    return code


RuleCode = Annotated[str, Field(json_schema_extra={"enum": list(RULE_CODES)}), AfterValidator(_known)]


class LintSpec(Settings):
    """How the network is linted."""

    ignore: tuple[RuleCode, ...] = ()
    """Codes of rules that say nothing about this network."""
