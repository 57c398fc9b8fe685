"""Loads a spec: text, overrides and defaults become an `ArchSpec`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from archspec.errors import Diagnostic, DocumentError, shorten
from archspec.plugins import Plugins, closest, default_plugins
from archspec.spec.arch import ArchSpec
from archspec.spec.extend import open_document
from archspec.spec.parts import Style
from archspec.spec.reader import Entry, Mapping, Node, Scalar, Sequence, plain
from archspec.spec.settings import read_settings
from archspec.spec.widths import expand_widths, is_width_rule
from archspec.spec.wording import describe
from archspec.spec.zoo import find_spec, zoo_files


def load_spec(path: Path | str, overrides: Iterable[str] = (), *, plugins: Plugins | None = None) -> ArchSpec:
    """The spec in a YAML file, or of a name of the zoo (`resnet34`).

    `overrides` are `path=value` texts, typed and checked like the file: `head.classes=10`, `stages.2.filters=512`.

    Raises:
        DocumentError: with every error of the file, each with line and column.

    """
    return read_spec(open_spec(path, overrides), plugins or default_plugins())


def open_spec(path: Path | str, overrides: Iterable[str] = ()) -> Mapping:
    """The map of a spec's file, with what it extends and with overrides, before anything in it is checked.

    Raises:
        ArchspecError: there is no such spec; a DocumentError, if a file does not parse or an override does not fit.

    """
    return open_document(find_spec(path), overrides, zoo_files)


def read_spec(node: Mapping, plugins: Plugins) -> ArchSpec:
    """The spec that a map describes; `defaults` are moved into the map's parts, and a width rule is written out.

    Raises:
        DocumentError: with everything that is wrong.

    """
    stages = node.entries.get("stages")
    if stages is not None and is_width_rule(stages.node):
        stages.node = expand_widths(stages.node, plugins)
    faults = _inherit(node, plugins)
    try:
        spec = read_settings(ArchSpec, node, plugins)
    except DocumentError as error:
        raise DocumentError([*error.diagnostics, *faults]) from None
    if faults:
        raise DocumentError(faults)
    return spec.read_from(node)


def _inherit(node: Mapping, plugins: Plugins) -> list[Diagnostic]:
    """Move `defaults` into the parts that know them: a stage any option of its block, a stem its style.

    What a part says itself stays. Returns a diagnostic for each default that no part knows.
    """
    entry = node.entries.pop("defaults", None)
    if entry is None or plain(entry.node) is None:
        return []
    defaults = entry.node
    if not isinstance(defaults, Mapping):
        message = f"'defaults' must be a map of keys, not {describe(plain(defaults))}"
        return [Diagnostic(message, defaults.place, ("defaults",))]
    parts = _parts(node, plugins)
    if all(options is None for part, options in parts if "block" in part.entries):  # the stages' own faults come first
        return []
    known: set[str] = set().union(*(options if options is not None else defaults.entries for _, options in parts))
    for part, options in parts:
        for key, default in defaults.entries.items():
            if options is None or key in options:
                part.entries.setdefault(key, default)
    return [_unknown(key, default, known) for key, default in defaults.entries.items() if key not in known]


def _parts(node: Mapping, plugins: Plugins) -> list[tuple[Mapping, set[str] | None]]:
    """The stages and the stem, and what each may inherit; None for one that names nothing that exists."""
    defaults_for = []
    stages, stem = node.entries.get("stages"), node.entries.get("stem")
    if stages is not None and isinstance(stages.node, Sequence):
        stages.node.items = [_as_map(item, "block") for item in stages.node.items]
        defaults_for += [(item, _options(item, "blocks", "block", plugins)) for item in stages.node.items]
    if stem is not None:
        stem.node = _as_map(stem.node, "type")
        style = _options(stem.node, "stems", "type", plugins)
        defaults_for.append((stem.node, style and style & set(Style.model_fields)))
    head = node.entries.get("head")
    if head is not None:
        head.node = _as_map(head.node, "type")
        style = _options(head.node, "heads", "type", plugins)
        defaults_for.append((head.node, (style or set()) & set(Style.model_fields)))
    return [(part, options) for part, options in defaults_for if isinstance(part, Mapping)]


def _as_map(node: Node, key: str) -> Node:
    """`conv` as `{type: conv}`, so that it can inherit."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return Mapping(node.place, {key: Entry(node.place, node)})
    return node


def _options(part: Node, kind: str, key: str, plugins: Plugins) -> set[str] | None:
    """The options of the offer that a part names."""
    named = part.entries.get(key) if isinstance(part, Mapping) else None
    offer = plugins.get(kind, str(plain(named.node))) if named is not None else None
    return None if offer is None else set(offer.options.model_fields)


def _unknown(key: str, default: Entry, known: set[str]) -> Diagnostic:
    match = closest(key, known)
    hint = f"did you mean '{match}'?" if match else ""
    message = f"neither a stage, the stem nor the head has an option '{shorten(key)}'"
    return Diagnostic(message, default.key, ("defaults", key), hint, (f"known options: {', '.join(sorted(known))}",))
