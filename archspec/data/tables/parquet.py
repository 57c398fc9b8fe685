"""Reads the rows of a Parquet file, which needs pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from archspec.data.tables.faults import Faults
from archspec.data.tables.rows import Row, TableFile
from archspec.errors import DataError, Place


class ParquetFile(TableFile):
    """A table in columns. A row has a number, from 1, and no line.

    Raises:
        DataError: pyarrow is not installed, or the file is no Parquet.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns = tuple(self._open().schema_arrow.names)

    def _open(self) -> Any:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            message = f"'{self.path}' is Parquet, and pyarrow is not installed"
            raise DataError(message, file=self.path, help="pip install 'archspec-nn[tables]'") from None
        try:
            return parquet.ParquetFile(self.path)
        except (OSError, pyarrow.ArrowException) as error:
            reason = str(error).partition("\n")[0]
            raise DataError(f"'{self.path}' cannot be read: {reason}", file=self.path) from None

    def rows(self, columns: Sequence[str], faults: Faults) -> Iterator[Row]:
        number = 0
        with self._open() as file:
            for batch in file.iter_batches(columns=list(dict.fromkeys(columns))):
                for values in zip(*(batch.column(column).to_pylist() for column in columns), strict=True):
                    number += 1
                    yield number, values

    def place(self, line: int, column: str | None = None) -> Place:
        return Place(str(self.path), line, self.columns.index(column) + 1 if column else 1)
