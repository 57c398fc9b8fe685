"""The rows of a data set's tables as arrays: paths, labels and splits, and where each row stands."""

from __future__ import annotations

import posixpath
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from archspec.data.index import TRAIN
from archspec.data.splits import SPLITS
from archspec.data.tables.columns import Columns, choose_columns
from archspec.data.tables.faults import Faults
from archspec.data.tables.labels import threshold_class
from archspec.data.tables.options import TableOptions
from archspec.data.tables.rows import TableFile
from archspec.data.tables.values import BadValueError, read_label, read_number, read_path, read_split
from archspec.errors import DataError, Place
from archspec.paths import is_folder


@dataclass(frozen=True)
class Listing:
    """What the tables list, a row an entry."""

    root: Path
    images: Path
    """The folder that paths are below."""
    tables: Sequence[TableFile]
    columns: Sequence[Columns]
    names: dict[str, int]
    """The number of each label's text; of the classes of thresholds, their order."""
    paths: Sequence[str]
    labels: np.ndarray
    splits: np.ndarray
    """Positions in SPLITS."""
    lines: np.ndarray
    table_of: np.ndarray
    is_split: bool
    """Whether the tables say which image is in which split."""

    def place_of(self, row: int, column: str) -> Callable[[], Place]:
        """What gives the place of a row's `path`, `label` or `split`."""
        number = int(self.table_of[row])
        return partial(self.tables[number].place, int(self.lines[row]), getattr(self.columns[number], column))

    def select(self, rows: np.ndarray) -> Listing:
        """Some of the rows."""
        arrays = {name: getattr(self, name)[rows] for name in ("labels", "splits", "lines", "table_of")}
        return replace(self, paths=[self.paths[row] for row in rows.tolist()], **arrays)


def read_listing(
    root: Path,
    tables: Sequence[tuple[str | None, TableFile]],
    options: TableOptions,
    faults: Faults,
) -> Listing:
    """Read every row. What is wrong with one is a fault, and the row is left out.

    Raises:
        ArchspecError: a table cannot be read, lacks a column or has no rows; the images' folder is not there.

    """
    images = Path(posixpath.join(root if is_folder(root) else root.parent, options.images or ""))
    if not is_folder(images):
        raise DataError(f"the images' folder '{images}' does not exist", file=images, help="`images` names it")
    reader = _Reader(images, options, faults)
    for split, table in tables:
        reader.read(table, split)
    if not reader.paths:
        faults.refuse()
        raise DataError(f"the table '{root}' has a header and no rows", file=root)
    return Listing(
        root=root,
        images=images,
        tables=[table for _, table in tables],
        columns=reader.columns,
        names=reader.names,
        paths=reader.paths,
        labels=np.array(reader.labels, dtype=np.int64),
        splits=np.array(reader.splits, dtype=np.int64),
        lines=np.array(reader.lines, dtype=np.int64),
        table_of=np.array(reader.table_of, dtype=np.int64),
        is_split=tables[0][0] is not None or reader.columns[0].split is not None,
    )


@dataclass
class _Reader:
    """Rows on their way into arrays."""

    images: Path
    options: TableOptions
    faults: Faults
    columns: list[Columns] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    labels: array[int] = field(default_factory=lambda: array("q"))
    splits: array[int] = field(default_factory=lambda: array("b"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    table_of: array[int] = field(default_factory=lambda: array("q"))

    def read(self, table: TableFile, split: str | None) -> None:
        columns = choose_columns(table, self.options, split=split is None)
        read: list[tuple[str, Callable[[Any], Any]]] = [
            (columns.path, lambda value: read_path(value, self.images)),
            (columns.label, self.label),
        ]
        if columns.split is not None:
            read.append((columns.split, read_split))
        fixed = [] if columns.split is not None else [SPLITS.index(split or TRAIN)]
        for line, values in table.rows([column for column, _ in read], self.faults):
            row: list[Any] = []
            for (column, meaning), value in zip(read, values, strict=True):
                try:
                    row.append(meaning(value))
                except BadValueError as error:
                    self.faults.add(error.message, partial(table.place, line, column), error.hint)
            if len(row) == len(read):
                self.keep(line, *row, *fixed)
        self.columns.append(columns)

    def keep(self, line: int, path: str, label: int, split: int) -> None:
        self.paths.append(path)
        self.labels.append(label)
        self.splits.append(split)
        self.lines.append(line)
        self.table_of.append(len(self.columns))

    def label(self, value: Any) -> int:
        """The number of the label's text, or of the class that its number falls in."""
        if self.options.thresholds is not None:
            return threshold_class(read_number(value), self.options.thresholds)
        return self.names.setdefault(read_label(value), len(self.names))
