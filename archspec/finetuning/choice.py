"""`--freeze NAME[:VALUE]`: a freezing policy in a few letters, read as a recipe's `freeze` is. No torch here."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from typing import Annotated, Any

from archspec.errors import Diagnostic, DocumentError, Place
from archspec.finetuning.treatment import FreezingOptions
from archspec.offers import Offered, Options, Settings
from archspec.plugins import Plugins
from archspec.spec.override import apply_override
from archspec.spec.reader import Entry, Mapping, Node, Scalar, Sequence, read_scalar
from archspec.spec.settings import read_settings

FILE = "--freeze"
"""What stands for the file in the place of a value."""


class FreezingChoice(Settings):
    """What is frozen."""

    freeze: Annotated[Options, Offered("freezing_policies", default="none")]


def read_freezing(text: str, plugins: Plugins, overrides: Iterable[str] = ()) -> Options:
    """The options that `until:stages.2`, `gradual:2` or `patterns:stem.*,stages.0.*` means.

    `overrides` are `recipe.freeze.option=value` texts, which reach the options that the short form leaves out.

    Raises:
        DocumentError: nobody offers such a policy, or an option is wrong; it points into `text`.

    """
    name, colon, value = text.partition(":")
    whole, place = Place(FILE, 1, 1, len(text), text), Place(FILE, 1, 1, len(name), text)
    policy = Mapping(whole, {"type": Entry(place, Scalar(name, place))})
    offer = plugins.get("freezing_policies", name)
    if colon and offer is not None:
        at = Place(FILE, 1, len(name) + 2, len(value), text)
        option = getattr(offer.options, "shorthand", None)
        if option is None:
            message = f"'{name}' takes nothing after its name"
            raise DocumentError([Diagnostic(message, at, ("freeze",), f"write {FILE} {name}")])
        policy.entries[option] = Entry(at, _value(value, at, offer.options, option))
    document = Mapping(whole, {"freeze": Entry(whole, policy)})
    for number, override in enumerate(overrides, start=1):
        apply_override(document, override, number, "recipe.")
    return read_settings(FreezingChoice, document, plugins).freeze


def _value(value: str, place: Place, model: type[FreezingOptions], option: str) -> Node:
    """A list's values stand between commas; what must be text is text, and all else as YAML has it."""
    annotation = model.model_fields[option].annotation
    if typing.get_origin(annotation) is not tuple:
        return Scalar(value if annotation is str else read_scalar(value), place)
    (inner, *_) = typing.get_args(annotation)
    column, items = place.column, []
    for part in value.split(","):
        at = Place(place.file, 1, column, len(part), place.text)
        items.append(Scalar(part if _plain(inner) is str else read_scalar(part), at))
        column += len(part) + 1
    return Sequence(place, list(items))


def _plain(annotation: Any) -> Any:
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is Annotated else annotation
