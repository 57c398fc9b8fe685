"""Loads a spec: text, overrides and defaults become an `ArchSpec`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from archspec.errors import Diagnostic, DocumentError
from archspec.plugins import Plugins, default_plugins
from archspec.spec.arch import ArchSpec
from archspec.spec.override import apply_override
from archspec.spec.parts import Style
from archspec.spec.reader import Entry, Mapping, Scalar, Sequence, plain, read_document
from archspec.spec.settings import read_settings
from archspec.spec.zoo import find_spec


def load_spec(path: Path | str, overrides: Iterable[str] = (), *, plugins: Plugins | None = None) -> ArchSpec:
    """The spec in a YAML file, or of a name of the zoo (`resnet34`).

    `overrides` are `path=value` texts, typed and checked like the file: `head.classes=10`, `stages.2.filters=512`.

    Raises:
        DocumentError: with every error of the file, each with line and column.

    """
    plugins = plugins or default_plugins()
    node = read_document(find_spec(path))
    for number, override in enumerate(overrides, start=1):
        apply_override(node, override, number)
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
    if not isinstance(entry.node, Mapping):
        return [Diagnostic("'defaults' must be a map of keys", entry.node.place, ("defaults",))]
    used = set()
    stages = node.entries.get("stages")
    for part in stages.node.items if stages and isinstance(stages.node, Sequence) else []:
        used |= _fill(part, entry.node, _options_of(part, "blocks", "block", entry.node, plugins), {"block"})
    stem = node.entries.get("stem")
    if stem is not None:
        if isinstance(stem.node, Scalar):
            stem.node = Mapping(stem.node.place, {"type": Entry(stem.node.place, stem.node)})
        known = _options_of(stem.node, "stems", "type", entry.node, plugins) & set(Style.model_fields)
        used |= _fill(stem.node, entry.node, known, set())
    return [
        Diagnostic(f"no stage has an option '{key}'", unknown.key, ("defaults", key))
        for key, unknown in entry.node.entries.items()
        if key not in used
    ]


def _options_of(part: object, kind: str, key: str, defaults: Mapping, plugins: Plugins) -> set[str]:
    """The options that the offer named by a part has; every name, where the part names none that exists."""
    named = part.entries.get(key) or defaults.entries.get(key) if isinstance(part, Mapping) else None
    offer = plugins.offers(kind).get(str(plain(named.node))) if named is not None else None
    return set(offer.options.model_fields) if offer is not None else set(defaults.entries) - {key}


def _fill(part: object, defaults: Mapping, known: set[str], also: set[str]) -> set[str]:
    """Copy the defaults that a part knows and does not say itself; returns those it knows."""
    applicable = {key: entry for key, entry in defaults.entries.items() if key in known | also}
    if isinstance(part, Mapping):
        for key, entry in applicable.items():
            part.entries.setdefault(key, entry)
    return set(applicable)
