"""The rules of the linter: in a terminal, and as the page `docs/rules.md`."""

from __future__ import annotations

from textwrap import fill

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from archspec.plan.rules import RULES, Rule

_COLOURS = {"warning": "yellow", "note": "cyan"}
_WIDTH = 100
"""Columns: longer lines of prose are hard to read."""
_INTRODUCTION = """# Rules

Generated from `archspec/plan/rules/`; `archspec rule CODE` prints one of these.

`archspec check` shows what is possible and most likely a mistake. A *warning* fails it under `--strict`; a *note* is a
choice that its author should know of, and never fails. A spec silences a rule for itself:

```yaml
lint: {ignore: [A103]}
```

The examples are keys of a spec; the tests run each, the wrong one and the right one.
"""


def print_rules() -> None:
    """List the rules."""
    console = Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("code", "name", "severity"):
        table.add_column(column, no_wrap=True)
    table.add_column("what it finds")
    for rule in RULES.values():
        colour = _COLOURS[rule.severity]
        table.add_row(rule.code, rule.name, Text(rule.severity, colour), Text(rule.explanation.summary))
    console.print(table)
    console.print("`archspec rule CODE` explains one; `lint: {ignore: [CODE]}` in a spec silences it", highlight=False)


def print_rule(rule: Rule) -> None:
    """Explain one rule."""
    words = rule.explanation
    title = Text.assemble(
        (f"{rule.code} ", "bold"), (rule.name, "bold"), "  ", (rule.severity, f"bold {_COLOURS[rule.severity]}")
    )
    console = Console()
    console.width = min(console.width, _WIDTH)
    shown: list[RenderableType] = [title, Text(), Markdown(words.summary)]
    shown += _section("why", Markdown(words.why)) + _section("mend", Markdown(words.mend))
    shown += _section("wrong", _yaml(words.wrong)) + _section("right", _yaml(words.right))
    shown += _section("silence", _yaml(f"lint: {{ignore: [{rule.code}]}}"))
    console.print(Group(*shown))


def _section(heading: str, body: RenderableType) -> list[RenderableType]:
    return [Text(), Text(heading, "bold"), Padding(body, (0, 0, 0, 2))]


def _yaml(text: str) -> Syntax:
    return Syntax(text, "yaml", background_color="default", word_wrap=True)


def rules_page() -> str:
    """The rules as Markdown."""
    rows = [f"| [{r.code}](#{r.code.lower()}) | `{r.name}` | {r.severity} | {r.advice} |" for r in RULES.values()]
    table = "\n".join(["| code | name | severity | in one line |", "| --- | --- | --- | --- |", *rows])
    return "\n".join([_INTRODUCTION, table, "", *map(_entry, RULES.values())])


def _entry(rule: Rule) -> str:
    words = rule.explanation
    fragments = ("Wrong", words.wrong), ("Right", words.right)
    examples = [f"{label}:\n\n```yaml\n{text}\n```\n" for label, text in fragments]
    why, mend = (fill(text, 120, break_long_words=False, break_on_hyphens=False) for text in (words.why, words.mend))
    head = f'<a id="{rule.code.lower()}"></a>\n\n## {rule.code}: {rule.name} ({rule.severity})\n'
    return "\n".join([head, f"**{words.summary}**\n", f"{why}\n", f"{mend}\n", *examples])
