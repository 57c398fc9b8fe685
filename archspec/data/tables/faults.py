"""What is wrong with a table: the first faults with their places, and how many more there are."""

from __future__ import annotations

from collections.abc import Callable

from archspec.errors import Diagnostic, DocumentError, Place

_MOST = 10
"""So many faults are told one by one: a wrong column makes one of every row."""


class Faults:
    """Collects what is wrong, so that all of it is told at once."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []
        self._more = 0

    def add(self, message: str, place: Place | Callable[[], Place], hint: str = "", *notes: str) -> None:
        """Keep a fault. A place that takes looking up is looked up only where it will be told."""
        if len(self._found) < _MOST:
            self._found.append(Diagnostic(message, place() if callable(place) else place, hint=hint, notes=notes))
        else:
            self._more += 1

    def refuse(self) -> None:
        """End here, if anything was wrong.

        Raises:
            DocumentError: with the first faults.

        """
        if self._more:
            last = max((found.place for found in self._found if found.place), key=lambda p: (p.file, p.line, p.column))
            what = f"and {self._more:,} more error{'' if self._more == 1 else 's'}"
            raise DocumentError([*self._found, Diagnostic(what, Place(last.file, last.line, last.column))])
        if self._found:
            raise DocumentError(self._found)
