"""Predictions as text, one after another as they come: a table, lines with tabs, JSON Lines, CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from archspec.errors import printable

if TYPE_CHECKING:
    from archspec.training.inference import Prediction


class Rows(Protocol):
    """A way to write predictions."""

    def head(self) -> str:
        """What comes first."""

    def row(self, prediction: Prediction) -> str:
        """What an image adds."""


class TabRows:
    """IMAGE, CLASS and PROBABILITY with tabs between; of an unreadable image, IMAGE and why."""

    def head(self) -> str:
        return ""

    def row(self, prediction: Prediction) -> str:
        best = [f"{printable(name)}\t{share:.4f}" for name, share in prediction.classes[:1]]
        error = [printable(prediction.error)] if prediction.error is not None else []
        return "\t".join([printable(prediction.image), *best, *error]) + "\n"


class JsonRows:
    """JSON Lines: an object for each image."""

    def head(self) -> str:
        return ""

    def row(self, prediction: Prediction) -> str:
        return json.dumps(prediction.record(), allow_nan=False) + "\n"


class CsvRows:
    """CSV with a header: the image, its likeliest classes with their probabilities, and why it could not be read."""

    def __init__(self, best: int) -> None:
        self.best = best

    def head(self) -> str:
        more = [f"{column}_{place}" for place in range(2, self.best + 1) for column in ("class", "probability")]
        return _csv(["image", "class", "probability", *more, "error"])

    def row(self, prediction: Prediction) -> str:
        cells = [cell for name, share in prediction.classes for cell in (name, repr(share))]
        empty = [""] * (2 * self.best - len(cells))
        return _csv([prediction.image, *cells, *empty, prediction.error or ""])


def _csv(cells: Iterable[str]) -> str:
    """A line of CSV. A byte of a file's name that is no UTF-8 is written as an escape."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode(errors="backslashreplace").decode()


class TableRows:
    """A table for a terminal, whose columns are as wide as the names that are known before the first row."""

    _PROBABILITY, _GAP, _THEN, _RUNNERS_UP = len("probability"), 2, 30, 2

    def __init__(self, images: Iterable[str], classes: Iterable[str], console: Console | None = None) -> None:
        self.console = console or Console()
        longest_class = max((cell_len(printable(name)) for name in classes), default=0)
        longest_image = max((cell_len(printable(name)) for name in images), default=0)
        named = min(max(longest_class, len("class")), self.console.width // 4)
        rest = self.console.width - named - self._PROBABILITY - 2 * self._GAP
        image = min(max(longest_image, len("image")), rest)
        if rest - image < self._THEN + self._GAP and rest >= 2 * self._THEN:
            image = rest - self._THEN - self._GAP
        then = rest - image - self._GAP
        self.widths = (image, named, self._PROBABILITY, *([then] if then >= self._THEN else []))

    def head(self) -> str:
        names = ("image", "class", "probability", "then")
        line = "─" * (sum(self.widths) + self._GAP * (len(self.widths) - 1))
        return self._line([Text(name, "bold") for name in names]) + self._text(Text(line))

    def row(self, prediction: Prediction) -> str:
        image = Text(printable(prediction.image))
        if prediction.error is not None:
            return self._text(Text.assemble(("unreadable", "red"), ": ", printable(prediction.error)))
        (name, share), *others = prediction.classes
        then = ", ".join(f"{printable(other)} {less:.1%}" for other, less in others[: self._RUNNERS_UP])
        return self._line([image, Text(printable(name)), Text(f"{share:.1%}"), Text(then)])

    def _line(self, cells: list[Text]) -> str:
        line = Table.grid(padding=(0, self._GAP, 0, 0))
        for width, justify in zip(self.widths, ("left", "left", "right", "left"), strict=False):
            line.add_column(width=width, overflow="fold", justify=justify)  # type: ignore[arg-type]
        line.add_row(*cells[: len(self.widths)])
        return self._text(line)

    def _text(self, shown: Table | Text) -> str:
        with self.console.capture() as captured:
            self.console.print(shown, soft_wrap=isinstance(shown, Text))
        return captured.get()
