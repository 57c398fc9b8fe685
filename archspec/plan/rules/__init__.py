"""The rules of the linter, by code: A1 maps, A2 widths, A3 norms, A4 the head, A5 faults of torch."""

from archspec.plan.rules import maps, training, widths
from archspec.plan.rules.rule import Explanation, Finding, Rule

RULES: dict[str, Rule] = {rule.code: rule for rule in (*maps.RULES, *widths.RULES, *training.RULES)}

__all__ = ["RULES", "Explanation", "Finding", "Rule"]
