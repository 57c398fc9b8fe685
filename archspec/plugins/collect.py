"""Who offers what of one kind: the built-in, one plugin, or several that are in each other's way."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from archspec.errors import PluginError
from archspec.offers import Offer, singular
from archspec.plugins.blame import Blamed, describe_error, describe_fault
from archspec.plugins.plugin import Plugin, Problem

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
"""It stands in specs and on command lines, and a tracker's folder is called so."""
_VALUES = ("null", "true", "false")
"""What a document reads as a value, and not as text."""
Hook = tuple[Plugin, Callable[[], Any]]
"""A plugin, and its implementation of the hook of one kind."""


@dataclass
class Shelf:
    """The offers of one kind. A name that several plugins offer is in `clashes`, and not in `offers`."""

    kind: str
    offers: dict[str, Offer[Any]] = field(default_factory=dict)
    clashes: dict[str, list[tuple[Plugin, Offer[Any]]]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def clash(self, name: str) -> PluginError:
        """The error of who asks for a name that several plugins offer."""
        found = self.clashes[name]
        origins = [plugin.origin for plugin, _ in found]
        outs = " or ".join(f"`-p no:{blockable(plugin, [holder for holder, _ in found])}`" for plugin, _ in found)
        count = {2: "two"}.get(len(found), str(len(found)))
        what = f"{count} plugins offer '{name}' among {self.kind}: {' and '.join(origins)}"
        return PluginError(what, help=f"block one of them: {outs}")


def blockable(plugin: Plugin, among: list[Plugin]) -> str:
    """What blocks this plugin, and none of the others: its name, or its distribution's."""
    names = [other.name for other in among]
    return plugin.name if names.count(plugin.name) == 1 else plugin.distribution


def collect(kind: str, hooks: Iterable[Hook], before: Shelf | None = None, reserved: Iterable[str] = ()) -> Shelf:
    """What these hooks offer, beside what is on the shelf `before` already, which they cannot take the place of.

    `reserved` are further names that no plugin may take. What is wrong with a plugin is among the shelf's problems.
    """
    shelf = Shelf(kind, dict(before.offers), dict(before.clashes)) if before is not None else Shelf(kind)
    taken = {**dict.fromkeys(reserved, "built in"), **{name: _holder(offer) for name, offer in shelf.offers.items()}}
    taken |= dict.fromkeys(shelf.clashes, "offered by modules that are named")
    found: dict[str, list[tuple[Plugin, Offer[Any]]]] = {}
    for plugin, hook in hooks:
        for name, offer in _offers(kind, plugin, hook, shelf.problems):
            if plugin.source == "built-in":
                assert name not in taken, f"{kind} {name} is built in twice"
                shelf.offers[name], taken[name] = offer, "built in"
            elif name in taken:
                shelf.problems.append(_refused(kind, plugin, name, f"that name is {taken[name]}"))
            elif (fault := _fault(offer)) is not None:
                shelf.problems.append(_refused(kind, plugin, name, fault))
            else:
                found.setdefault(name, []).append((plugin, offer))
    for name, offered in found.items():
        if len(offered) == 1:
            shelf.offers[name] = offered[0][1]
        else:
            shelf.clashes[name] = offered
    shelf.offers = dict(sorted(shelf.offers.items()))
    return shelf


def _fault(offer: Offer[Any]) -> str | None:
    """Why an offer is of no use, whatever its function does."""
    if not _NAME.fullmatch(offer.name) or offer.name.lower() in _VALUES:
        return "a name has letters, digits and . _ - between them, 64 at most, and is no value of YAML's"
    if offer.rewrite is not None and offer.kind != "freezing_policies":
        return "it has `rewrite`, which is for freezing policies alone"
    try:
        offer.options.model_rebuild()  # nothing, where every type was found when the class was made
    except Exception as error:
        said = describe_error(error).partition(";")[0]
        return f"its options model is not complete: {said}: import what its fields name outside of TYPE_CHECKING"
    from archspec.plugins.shadows import shadowed  # for plugins alone

    return shadowed(offer.options, offer.kind)


def _holder(offer: Offer[Any]) -> str:
    return "built in" if offer.built_in else f"offered by {offer.origin}, which is named"


def _refused(kind: str, plugin: Plugin, name: str, why: str) -> Problem:
    what = f"offers the {singular(kind)} '{name}', which is left out: {why}"
    help = f"block the plugin by `-p no:{plugin.name}`, or ask its author to mend the offer"
    return Problem(plugin, what, help, f"archspec_{kind}")


def _offers(
    kind: str, plugin: Plugin, hook: Callable[[], Any], problems: list[Problem]
) -> Iterator[tuple[str, Offer[Any]]]:
    """What one hook returns, ready for use; nothing, and a problem, where it fails."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            offers = hook()
            offers = dict(offers) if isinstance(offers, Mapping) else offers
            if not isinstance(offers, dict) or not all(map(_is_offer, offers.items())):
                raise TypeError(f"it returned {offers!r:.200}, not a dict of name to archspec.Offer")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's code: whatever it raises is its own report
        what = f"fails in archspec_{kind}: {describe_fault(error, plugin.package)}"
        problems.append(Problem(plugin, what, f"block it with `-p no:{plugin.name}`", f"archspec_{kind}"))
        return
    for name, offer in offers.items():
        named = replace(offer, name=name, kind=kind, origin=plugin.origin)
        yield name, named if plugin.source == "built-in" else _blamed(named, plugin)


def _blamed(offer: Offer[Any], plugin: Plugin) -> Offer[Any]:
    what = f"'{offer.name}' among {offer.kind} of {offer.origin}"
    rewrite = offer.rewrite and Blamed(offer.rewrite, what, plugin.package)
    return replace(offer, make=Blamed(offer.make, what, plugin.package, offer.kind), rewrite=rewrite)


def _is_offer(entry: tuple[Any, Any]) -> bool:
    return isinstance(entry[0], str) and isinstance(entry[1], Offer)
