"""`extends: base.yaml`: a document that starts from another one, and says only what differs.

Maps are merged key by key; lists and single values replace what was there. Every node keeps its own place, so that an
error in the base points into the base's file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from archspec.errors import Diagnostic, DocumentError, shorten
from archspec.paths import is_file, is_folder
from archspec.plugins import closest
from archspec.spec.override import apply_override
from archspec.spec.reader import Entry, Node, Scalar, plain, read_document
from archspec.spec.reader import Mapping as MapNode
from archspec.spec.wording import describe

KEY = "extends"
MAX_CHAIN = 16
"""So many files may stand in a row, the first one counted."""

Names = Callable[[], Mapping[str, Path]]
"""The documents that come with archspec, by name. Called only when a document extends something."""


def open_document(path: Path, overrides: Iterable[str], names: Names, prefix: str = "") -> MapNode:
    """The map that a file holds, merged over what it extends, and then changed by `path=value` overrides.

    `prefix` is what leads to this document in an override, such as `recipe.`.

    Raises:
        DocumentError: a file does not parse, a base cannot be used, or an override does not fit.

    """
    node = read_extended(path, names)
    for number, override in enumerate(overrides, start=1):
        apply_override(node, override, number, prefix)
    if (entry := node.entries.get(KEY)) is not None:
        hint = "files are merged before --set changes them"
        raise DocumentError([Diagnostic(f"'{KEY}' can stand only in a file", entry.key, (KEY,), hint)])
    return node


def read_extended(path: Path, names: Names) -> MapNode:
    """The map that a file holds, merged over the file that it extends, and that one over its own.

    Raises:
        DocumentError: a file does not parse, or a base is missing, out of reach, or extends what extends it.

    """
    chain, root = [path], path.parent
    documents = [read_document(path)]
    while (entry := documents[-1].entries.pop(KEY, None)) is not None:
        base, root = _find_base(entry.node, chain[-1], root, names)
        _refuse_endless(entry.node, [*chain, base])
        chain.append(base)
        documents.append(_read_base(base, entry.node))
    merged = documents.pop()
    while documents:
        merged = merge(merged, documents.pop())
    return merged


def merge(base: MapNode, over: MapNode) -> MapNode:
    """The entries of `base`, in its order, under those of `over`: maps are merged, all else is replaced.

    A map that names another offer (`norm: {type: group}` over `norm: {type: batch, momentum: 0.1}`) is replaced too,
    since the options beside the name are the offer's own.
    """
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        node = entry.node
        below = _as_map(entries[key].node) if key in entries else None
        if isinstance(node, MapNode) and isinstance(below, MapNode) and not _names_another(node, below):
            node = merge(below, node)
        entries[key] = Entry(entry.key, node)
    return MapNode(over.place, entries, base.size + over.size)


def _names_another(node: MapNode, below: MapNode) -> bool:
    over, under = node.entries.get("type"), below.entries.get("type")
    return over is not None and under is not None and plain(over.node) != plain(under.node)


def _as_map(node: Node) -> Node:
    """`norm: group` is short for `norm: {type: group}`, which options can be added to."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return MapNode(node.place, {"type": Entry(node.place, node)})
    return node


def _find_base(node: Node, child: Path, root: Path, names: Names) -> tuple[Path, Path]:
    """The file that `extends` means, and the folder that the chain must stay in from there on."""
    name = plain(node)
    if not isinstance(name, str) or not name:
        what = "nothing" if name == "" else describe(name)
        raise _fault(node, f"'{KEY}' must name a file, not {what}", "such as resnet34.yaml, or a bare name of the zoo")
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute():
        raise _fault(node, f"'{KEY}' cannot name an absolute path", "write it relative to this file")
    file = child.parent / name
    if "\0" not in name and not _lies_within(file, root):
        message = f"'{shorten(name)}' lies outside the folder of the spec, '{root}'"
        raise _fault(node, message, "a spec is built from files beside it and below")
    if is_file(file):
        return file, root
    named = names()
    if name in named:
        return named[name], named[name].parent
    beside = [path.name for path in sorted(file.parent.glob("*.yaml"))] if is_folder(file.parent) else []
    match = closest(Path(name).name, [*beside, *named])
    raise _fault(node, f"there is no file '{shorten(name)}' to extend", f"did you mean '{match}'?" if match else "")


def _lies_within(file: Path, root: Path) -> bool:
    """Whether a file lies in a folder or below it, links followed."""
    return Path(os.path.realpath(file)).is_relative_to(os.path.realpath(root))


def _refuse_endless(node: Node, chain: list[Path]) -> None:
    real = [os.path.realpath(path) for path in chain]
    if real[-1] in real[:-1]:
        circle = " -> ".join(path.name for path in chain[real.index(real[-1]) :])
        raise _fault(node, f"files extend each other in a circle: {circle}")
    if len(chain) > MAX_CHAIN:
        raise _fault(node, f"more than {MAX_CHAIN} files extend each other in a row")


def _read_base(base: Path, node: Node) -> MapNode:
    """The base's map; an error of the whole base, which has no line of its own, stands where it is extended."""
    try:
        return read_document(base)
    except DocumentError as error:
        faults = [f if f.place else replace(f, place=node.place, path=(KEY,)) for f in error.diagnostics]
        raise DocumentError(faults) from None


def _fault(node: Node, message: str, hint: str = "") -> DocumentError:
    return DocumentError([Diagnostic(message, node.place, (KEY,), hint)])
