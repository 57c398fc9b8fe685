"""What was found of a plugin that was looked at in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from archspec.plugins.plugin import Plugin


@dataclass(frozen=True)
class Check:
    """What `archspec.testing` finds of one offer."""

    kind: str
    name: str
    passed: bool | None
    """None where it was not checked."""
    reason: str = ""
    """Why it did not pass, or was not checked."""


@dataclass(frozen=True)
class Examined:
    """What was found of one plugin."""

    plugin: Plugin
    seconds: float | None = None
    """What its import took, beside archspec's own; None where it did not end."""
    torch: bool = False
    """Whether its import brought torch, which most commands do without."""
    offers: dict[str, list[str]] = field(default_factory=dict)
    problems: list[dict[str, Any]] = field(default_factory=list)
    """As `Problem.record` has them."""
    checks: list[Check] = field(default_factory=list)
