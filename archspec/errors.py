"""Every error a user can cause, and how one is shown.

    ArchspecError                what, where, and how to mend it; exit code 1
    ├── DocumentError            a spec, recipe or table is wrong: its diagnostics at once, with line and column
    │   ├── PlanError            the spec reads well, but no such network can exist
    │   └── BudgetError          the network exists, and breaks the bounds of its `budget:`
    ├── CutError                 a network cannot be cut where the call asks
    ├── PluginError              a plugin is broken, blocked, unknown, or in conflict with another
    ├── DataError                a data set, folder or image cannot be used
    ├── WeightsError             a weights file does not fit the network, or is damaged
    ├── ExportError              a network cannot be written for other programs
    └── RunError                 a run directory is not one, or cannot be used as asked

A `Refusal` is none of them: a part of a plugin raises one to say what it cannot do, and whoever asked makes a
DocumentError of it. Errors of archspec itself are plain `AssertionError`s: a traceback is right for those.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unicodedata import combining, east_asian_width

KeyPath = tuple[str | int, ...]
"""Where a value stands in a document: `("stages", 2, "filters")`."""


class ArchspecError(Exception):
    """The root of every error a user can cause.

    `help` is one line that says how to mend it.
    """

    def __init__(self, message: str, *, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help

    def render(self) -> str:
        """The error as it is printed, without colour."""
        lines = [f"error: {printable(self.message)}"]
        if self.help:
            lines.append(f"  help: {printable(self.help)}")
        return "\n".join(lines)

    def records(self) -> list[dict[str, Any]]:
        """The error as `--json` gives it: a list of `{message, file, line, column, path, help}`."""
        return [{"message": self.message, "file": None, "line": None, "column": None, "path": None, "help": self.help}]


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of one line of a document. `line` and `column` count from 1, `length` is in characters."""

    file: str
    line: int
    column: int
    length: int = 1
    text: str = ""
    """The whole line, as the user wrote it."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong with a document: what, where, and how to mend it."""

    message: str
    place: Place | None = None
    path: KeyPath = ()
    hint: str = ""
    """A few words beside the caret, such as "did you mean 'bottleneck'?"."""
    notes: tuple[str, ...] = ()
    """Whole lines under the picture."""
    severity: Literal["error", "warning", "note"] = "error"
    code: str = ""
    """The rule that found it, such as A101."""

    def render(self) -> str:
        code = f"[{self.code}]" if self.code else ""
        lines = [f"{self.severity}{code}: {printable(self.message)}"]
        path = printable(show_path(self.path))
        if self.place is not None:
            number = str(self.place.line)
            gutter = " " * len(number)
            file = printable(self.place.file)
            lines.append(f"{gutter} --> {file}:{self.place.line}:{self.place.column}   {path}".rstrip())
            if self.place.text:
                lines += _picture(self.place, number, printable(self.hint))
            elif self.hint:
                lines.append(f"{gutter}  {printable(self.hint)}")
        elif path:
            lines.append(f" --> {path}")
        lines += [f"  {printable(note)}" for note in self.notes]
        return "\n".join(lines)

    def record(self) -> dict[str, Any]:
        place = self.place
        return {
            "message": self.message,
            "file": place.file if place else None,
            "line": place.line if place else None,
            "column": place.column if place else None,
            "path": show_path(self.path) or None,
            "help": "; ".join(part for part in (self.hint, *self.notes) if part) or None,
        }


_WIDEST = 100
"""A longer source line is cut around the caret, so that one generated line cannot fill the screen."""


def _picture(place: Place, number: str, hint: str) -> list[str]:
    """The source line with a caret under the stretch that is wrong."""
    start, text, left = place.column - 1, printable(place.text.replace("\t", " ")), ""
    if len(text) > _WIDEST and start > _WIDEST // 2:
        cut = start - _WIDEST // 4
        start, text, left = start - cut, text[cut:], "..."
    right = "..." if len(text) > _WIDEST else ""
    text = text[:_WIDEST]
    gutter = " " * len(number)
    caret = " " * (len(left) + _columns(text[:start])) + "^" * max(1, _columns(text[start : start + place.length]))
    return [f"{number} | {left}{text}{right}", f"{gutter} | {caret} {hint}".rstrip()]


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes: wide characters of East Asia take two, combining ones none."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def printable(text: str) -> str:
    """The text with every character that could move a terminal's cursor replaced."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def shorten(text: str, most: int = 60) -> str:
    """The text, cut where it is too long to quote."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def show_path(path: Iterable[str | int]) -> str:
    """`("stages", 2, "filters")` -> `stages[2].filters`."""
    shown = ""
    for part in path:
        name = shorten(str(part))
        shown += f"[{part}]" if isinstance(part, int) else f".{name}" if shown else name
    return shown


class DocumentError(ArchspecError):
    """A document (a spec, a recipe, a table of images) is wrong. It carries its diagnostics, in file order."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(diagnostics, key=_file_order))
        super().__init__("\n".join(diagnostic.message for diagnostic in self.diagnostics))

    def render(self) -> str:
        return "\n\n".join(diagnostic.render() for diagnostic in self.diagnostics)

    def records(self) -> list[dict[str, Any]]:
        return [diagnostic.record() for diagnostic in self.diagnostics]

    def __str__(self) -> str:
        return self.render()

    def __reduce__(self) -> tuple[type[DocumentError], tuple[tuple[Diagnostic, ...]]]:
        return type(self), (self.diagnostics,)  # the message is made anew, in this process or another


def _file_order(diagnostic: Diagnostic) -> tuple[str, int, int]:
    place = diagnostic.place
    return (place.file, place.line, place.column) if place else ("", 0, 0)


class PlanError(DocumentError):
    """The spec reads well, but no such network can exist: a map below one pixel, widths that do not divide."""


class BudgetError(DocumentError):
    """The network costs more, or sees less, than its spec's `budget:` allows."""


class CutError(ArchspecError, ValueError):
    """A network cannot be cut there: no block has that name, or none lies between the two."""


class Refusal(ValueError):  # noqa: N818
    """What a part of a plugin says it cannot do as asked: no fault of its code. Whoever asked tells it at its line."""


def place_raised(error: BaseException) -> str:
    """The file and the line that raised an error: what finds a fault in a plugin's code."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    return f"{at.filename}:{at.lineno}"


class PluginError(ArchspecError):
    """A plugin is broken, blocked, unknown, or offers a name that another one offers too."""


class DataError(ArchspecError):
    """A data set, folder or image cannot be used. `file` is the one at fault, where there is one."""

    def __init__(self, message: str, *, file: Path | str | None = None, help: str | None = None) -> None:
        super().__init__(message, help=help)
        self.file = str(file) if file is not None else None

    def records(self) -> list[dict[str, Any]]:
        return [{**super().records()[0], "file": self.file}]


class WeightsError(ArchspecError):
    """A weights file does not fit the network, or is damaged."""


class ExportError(ArchspecError):
    """A network cannot be written for other programs, or what was written does not do what the network does."""


class RunError(ArchspecError):
    """A run directory is not one, is damaged, or cannot be used as asked."""
