"""Which files hold a data set's tables, and what reads each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from archspec.data.index import TRAIN
from archspec.data.splits import SPLITS, split_of
from archspec.data.tables.options import TableOptions
from archspec.data.tables.parquet import ParquetFile
from archspec.data.tables.rows import CsvFile, JsonLinesFile, TableFile
from archspec.data.walk import is_hidden
from archspec.errors import DataError
from archspec.paths import is_file, is_folder

_READERS: dict[str, Callable[[Path], TableFile]] = {
    ".csv": CsvFile,
    ".tsv": CsvFile,
    ".tab": CsvFile,
    ".jsonl": JsonLinesFile,
    ".ndjson": JsonLinesFile,
    ".parquet": ParquetFile,
}
_KNOWN = "tables are .csv, .tsv, .jsonl and .parquet"
_INSTEAD = {
    ".json": "write a map a line, and name it .jsonl",
    ".xlsx": "save the sheet as CSV",
    ".xls": "save the sheet as CSV",
    ".gz": "unpack it",
    ".zip": "unpack it",
}


def open_rows(path: Path) -> TableFile:
    """The table in a file, by its suffix.

    Raises:
        ArchspecError: there is no such file, it is no table, or is empty.

    """
    if not is_file(path):
        raise DataError(f"there is no table '{path}'", file=path)
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise DataError(f"'{path}' is no table", file=path, help=_INSTEAD.get(suffix, _KNOWN))
    return _READERS[suffix](path)


def find_tables(root: Path, options: TableOptions) -> dict[str | None, Path]:
    """The file of each split, or one file under None, which says itself what is in which split.

    Raises:
        DataError: there is none, or no telling which.

    """
    given = dict(zip(SPLITS, (options.train_file, options.validation_file, options.test_file), strict=True))
    named: dict[str | None, Path] = {split: root / name for split, name in given.items() if name is not None}
    if not is_folder(root):
        if named:
            help = "a table for each split is named by `train_file` and its like in a folder ROOT"
            raise DataError(f"'{root}' is no folder", file=root, help=help)
        return {None: root}
    found = {**_tables_of_splits(root), **named}
    if found and TRAIN not in found:
        names = " and ".join(path.name for path in found.values())
        message = f"the data folder '{root}' has {names} and no table of the training split"
        raise DataError(message, file=root, help="call it train.csv, or name it: --set data.train_file=NAME")
    return found or {None: _lone_table(root)}


def _tables(root: Path) -> list[Path]:
    return [path for path in sorted(root.iterdir()) if path.suffix.lower() in _READERS and not is_hidden(path.name)]


def _tables_of_splits(root: Path) -> dict[str | None, Path]:
    found: dict[str | None, Path] = {}
    for path in _tables(root):
        split = split_of(path.stem)
        if split in found:
            raise DataError(f"'{found[split]}' and '{path}' are both a {split} split", file=root)
        if split is not None:
            found[split] = path
    return found


def _lone_table(root: Path) -> Path:
    tables = _tables(root)
    if len(tables) != 1:
        names = f"{len(tables)} tables, {', '.join(path.name for path in tables[:10])}" if tables else "no table"
        help = f"name the table: --data table:{tables[0]}" if tables else _KNOWN
        raise DataError(f"the data folder '{root}' holds {names}", file=root, help=help)
    return tables[0]
