"""Which column holds the paths, which the labels, and which the splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archspec.data.tables.options import TableOptions
from archspec.data.tables.rows import TableFile
from archspec.errors import Diagnostic, DocumentError, shorten
from archspec.plugins import closest

_USUAL = {
    "path": "path file filename filepath image image_path image_file image_name img img_path img_name",
    "label": "label class target category class_name label_name class_id category_id labels",
    "split": "split set subset fold partition",
}
"""What columns are usually called, without blanks and dashes, in order of preference."""


@dataclass(frozen=True)
class Columns:
    """The names of the columns, as the table writes them."""

    path: str
    label: str
    split: str | None
    notes: tuple[str, ...]
    """What was chosen among several that might be meant."""


def choose_columns(table: TableFile, options: TableOptions, *, split: bool) -> Columns:
    """The columns that the options name, or that have a usual name. Without `split`, none is looked for.

    Raises:
        DocumentError: the table lacks one; it names those that there are.

    """
    notes: list[str] = []
    path = _choose(table, "path", options.path, notes)
    label = _choose(table, "label", options.label, notes)
    if path is None or label is None:
        lacking = [role for role, name in (("path", path), ("label", label)) if name is None]
        notes = ["the first line must name the columns"] if len(lacking) > 1 else []
        raise DocumentError([_missing(table, role, *notes) for role in lacking])
    if not split or options.split == "none":
        return Columns(path, label, None, tuple(notes))
    return Columns(path, label, _choose(table, "split", options.split, notes), tuple(notes))


def _choose(table: TableFile, role: str, wanted: str | None, notes: list[str]) -> str | None:
    if wanted is not None:
        found = [name for name in table.columns if name == wanted] or [
            name for name in table.columns if _bare(name) == _bare(wanted)
        ]
        if not found:
            match = closest(wanted, table.columns)
            hint = f"did you mean '{match}'?" if match else ""
            raise DocumentError([_fault(table, f"the table has no column '{shorten(wanted)}'", hint, role)])
    else:
        usual = [name.replace("_", "") for name in _USUAL[role].split()]
        found = sorted((name for name in table.columns if _bare(name) in usual), key=lambda n: usual.index(_bare(n)))
        if len(set(found)) > 1:
            notes.append(f"of the columns {', '.join(found)}, '{found[0]}' is taken as the {role}")
    if len(found) > 1 and found[0] == found[1]:
        raise DocumentError([_fault(table, f"the column '{found[0]}' is given twice", "", role)])
    return found[0] if found else None


def _missing(table: TableFile, role: str, *notes: str) -> Diagnostic:
    what = {"path": "the images' paths", "label": "the images' labels"}[role]
    near = next((name for name in table.columns if closest(name, _USUAL[role].split())), None)
    hint = f"is it '{shorten(near)}'? " if near else ""
    return _fault(
        table, f"the table has no column for {what}", f"{hint}name it: --set data.{role}=COLUMN", role, *notes
    )


def _fault(table: TableFile, message: str, hint: str, role: str, *notes: str) -> Diagnostic:
    return Diagnostic(message, table.place(1), ("data", role), hint, (f"columns: {_listed(table.columns)}", *notes))


def _listed(names: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(shorten(name, 40) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _bare(name: str) -> str:
    """`File Name`, `file-name` and `file_name` are one."""
    return name.strip().lower().replace("_", "").replace("-", "").replace(" ", "")
