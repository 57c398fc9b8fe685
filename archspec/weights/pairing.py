"""Which tensor of a file is which of a network: by the names that libraries give, or by a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from archspec.errors import Diagnostic, DocumentError, shorten
from archspec.plan.plan import Plan
from archspec.plugins import closest
from archspec.spec.reader import Scalar, plain, read_document
from archspec.spec.wording import describe
from archspec.weights.keymaps import foreign_names

COUNTER = "num_batches_tracked"
"""Files older than torch 0.4.1 lack it, and nothing but a momentum of None reads it."""


@dataclass(frozen=True)
class Pairing:
    """For tensors of the network, which of the file they take."""

    naming: str
    """`archspec`, `torchvision`, `timm RegNet`, ..., or `order`."""
    names: Mapping[str, str]
    notes: tuple[str, ...] = ()


def pair_by_names(plan: Plan, tensors: Mapping[str, Tensor]) -> Pairing:
    """The naming of which the file has the most names."""
    own = {name: name for name, _, _ in plan.tensors()}
    naming, names = max(
        (("archspec", own), *foreign_names(plan)),
        key=lambda candidate: sum(theirs in tensors for theirs in candidate[1].values()),
    )
    return Pairing(naming, names)


def read_map(path: Path, plan: Plan, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The tensors that a YAML or JSON file of `ours: theirs` pairs. A module's name stands for all its tensors.

    Raises:
        DocumentError: with the place of every name that the network or the file has not, or that is taken twice.

    """
    document = read_document(path)
    ours = [name for name, _, _ in plan.tensors()]
    pairs: dict[str, str] = {}
    faults: list[Diagnostic] = []
    for key, entry in document.entries.items():
        if not isinstance(entry.node, Scalar) or not isinstance(entry.node.value, str):
            message = f"'{shorten(key)}' must name a tensor of the file, not {describe(plain(entry.node))}"
            faults.append(Diagnostic(message, entry.node.place, (key,)))
            continue
        below = _below(key, ours)
        if not below:
            faults.append(
                Diagnostic(f"the network has no tensor '{shorten(key)}'", entry.key, (key,), _near(key, ours))
            )
            continue
        theirs = entry.node.value
        found = {f"{key}{rest}": f"{theirs}{rest}" for rest in below if f"{theirs}{rest}" in tensors}
        if not found:
            hint = _near(theirs, tensors)
            faults.append(Diagnostic(f"the file has no tensor '{shorten(theirs)}'", entry.node.place, (key,), hint))
        elif taken := set(found.values()) & set(pairs.values()):
            message = f"'{shorten(sorted(taken)[0])}' is taken twice"
            faults.append(Diagnostic(message, entry.node.place, (key,)))
        pairs |= found
    if faults:
        raise DocumentError(faults)
    return pairs


def _below(key: str, names: list[str]) -> list[str]:
    """What follows `key` in the names of the tensor or the module: `""`, or `.weight`, `.bias`, ..."""
    return [name.removeprefix(key) for name in names if name == key or name.startswith(f"{key}.")]


def _near(name: str, known: Mapping[str, Tensor] | list[str]) -> str:
    match = closest(name, [*known, *dict.fromkeys(other.rpartition(".")[0] for other in known)])
    return f"did you mean '{match}'?" if match else ""
