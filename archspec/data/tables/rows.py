"""Reads the rows of a table in a text file, CSV or JSON Lines, and says where in it a value stands."""

from __future__ import annotations

import csv
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from archspec.data.tables.faults import Faults
from archspec.errors import Diagnostic, DocumentError, Place

Row = tuple[int, tuple[Any, ...]]
"""The line where it begins, and the values of the columns that were asked for."""


class TableFile(ABC):
    """A table in a file, read row by row as often as is asked."""

    path: Path
    columns: tuple[str, ...]
    """Their names, as the file writes them."""

    @abstractmethod
    def rows(self, columns: Sequence[str], faults: Faults) -> Iterator[Row]:
        """The rows, without those that are broken: each of them is a fault.

        Raises:
            DocumentError: the file cannot be read any further.

        """

    @abstractmethod
    def place(self, line: int, column: str | None = None) -> Place:
        """Where a row stands, or its value in a column."""


class CsvFile(TableFile):
    """Values between commas, semicolons or tabs, in quotes where they hold one; names in the first line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._delimiter = _find_delimiter(path)
        _, header = next(self._records(), (1, []))
        if not header:
            raise DocumentError([Diagnostic(f"'{path}' is empty")])
        self.columns = tuple(name.strip() for name in header)

    def rows(self, columns: Sequence[str], faults: Faults) -> Iterator[Row]:
        wanted, width = [self.columns.index(column) for column in columns], len(self.columns)
        for line, fields in islice(self._records(), 1, None):
            if len(fields) == width:
                yield line, tuple(fields[number] for number in wanted)
            else:
                message = f"the row has {len(fields)} field{'' if len(fields) == 1 else 's'}, and the header {width}"
                hint = f"a value that holds '{self._delimiter}' wants quotes" if len(fields) > width else ""
                faults.add(message, partial(self.place, line), hint)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """The line where each record begins, and its fields; empty lines are left out."""
        reader = csv.reader(read_lines(self.path), delimiter=self._delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                what = str(error).partition(" - ")[0]
                hint = next((hint for words, hint in _CSV_HINTS.items() if words in what), "")
                raise DocumentError([Diagnostic(f"not CSV: {what}", _whole(self.path, line), hint=hint)]) from None
            if fields:
                yield line, fields

    def place(self, line: int, column: str | None = None) -> Place:
        if column is None:
            return _whole(self.path, line)
        taken: list[str] = []
        lines = (taken.append(text) or text for text in islice(read_lines(self.path), line - 1, None))  # type: ignore[func-returns-value]
        next(csv.reader(lines, delimiter=self._delimiter, strict=True))
        record = "".join(taken)
        start, end = _field_span(record, self._delimiter, self.columns.index(column))
        before = record[:start].split("\n")
        text = record.split("\n")[len(before) - 1].rstrip("\r")
        return Place(str(self.path), line + len(before) - 1, len(before[-1]) + 1, max(1, end - start), text)


_CSV_HINTS = {
    "unexpected end of data": "a quote that opens here is never closed",
    "field larger": "is a quote that opens here never closed?",
    "new-line character": "its lines end in a bare carriage return; save it with line feeds",
}
"""What the reader says, and what usually causes it."""


def _find_delimiter(path: Path) -> str:
    """A tab in a `.tsv`; elsewhere what the header has: commas, or else semicolons or tabs."""
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    header = next(read_lines(path), "")
    return next((mark for mark in ",;\t" if mark in header), ",")


def _field_span(record: str, delimiter: str, number: int) -> tuple[int, int]:
    """Where a field begins and ends; that of the last field for one that the record lacks."""
    start, passed, quoted = 0, 0, False
    for position, character in enumerate(record):
        if character == '"':
            quoted = not quoted
        elif character == delimiter and not quoted:
            if passed == number:
                return start, position
            start, passed = position + 1, passed + 1
    return start, len(record.rstrip("\r\n"))


class JsonLinesFile(TableFile):
    """A JSON map a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        faults = Faults()
        _, first = next(self._maps(faults), (1, None))
        if first is None:
            faults.refuse()
        self.columns = tuple(first or ())

    def rows(self, columns: Sequence[str], faults: Faults) -> Iterator[Row]:
        for line, row in self._maps(faults):
            yield line, tuple(row.get(column) for column in columns)

    def _maps(self, faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
        empty = True
        for line, text in enumerate(read_lines(self.path), start=1):
            if not text.strip():
                continue
            empty = False
            shown = text.rstrip("\r\n")
            try:
                row = _read_map(shown)
            except _NoMapError as error:
                faults.add(str(error), Place(str(self.path), line, error.column, 1, shown))
            else:
                yield line, row
        if empty:
            raise DocumentError([Diagnostic(f"'{self.path}' is empty")])

    def place(self, line: int, column: str | None = None) -> Place:
        whole = _whole(self.path, line)
        key = re.search(rf"{re.escape(json.dumps(column, ensure_ascii=False))}\s*:\s*", whole.text) if column else None
        if key is None:
            return whole
        end = json.JSONDecoder().raw_decode(whole.text, key.end())[1]
        return Place(whole.file, line, key.end() + 1, end - key.end(), whole.text)


class _NoMapError(Exception):
    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


def _read_map(text: str) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise _NoMapError(f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}", error.colno) from None
    except (RecursionError, ValueError) as error:  # lists in lists, or a number of thousands of digits
        raise _NoMapError(f"not JSON: {error}", 1) from None
    if not isinstance(row, dict):
        raise _NoMapError("a row must be a map of columns", 1)
    return row


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file, with their ends, without a byte-order mark.

    Raises:
        DocumentError: it cannot be read, or is not UTF-8.

    """
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if number == 1 and (line[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in line[:4]):
                    raise DocumentError([Diagnostic(f"'{path}' is UTF-16 text", notes=("save it as UTF-8",))])
                yield _decode(path, number, line)
    except OSError as error:
        raise DocumentError(
            [Diagnostic(f"'{path}' cannot be read: {(error.strerror or str(error)).lower()}")]
        ) from None


def _decode(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        column = len(line[: error.start].decode("utf-8", "replace")) + 1
        place = Place(str(path), number, column, 1, line.decode("utf-8", "replace").rstrip("\r\n"))
        raise DocumentError([Diagnostic("the file is not UTF-8 text", place, hint="save it as UTF-8")]) from None


def _whole(path: Path, line: int) -> Place:
    text = next(islice(read_lines(path), line - 1, None), "").rstrip("\r\n")
    return Place(str(path), line, 1, max(1, len(text)), text)
