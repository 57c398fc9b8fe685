"""Where an offer of a recipe is put: its options, drawn and read as a recipe has them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from archspec.errors import DocumentError
from archspec.offers import Offer, Options, singular
from archspec.plugins import Plugins
from archspec.spec.dump import data_to_yaml
from archspec.spec.reader import Mapping as MapNode
from archspec.spec.reader import read_text
from archspec.spec.settings import read_settings
from archspec.testing.cases import Document, Impossible
from archspec.testing.choices import Dealer, option_values

_KEYS = {"freezing_policies": "freeze"}
"""The key of a recipe under which an offer stands, where it is not the kind's own name."""


class MethodBench:
    """What a recipe names, an optimizer for one, by itself: `prove` holds its `make` to the promises of its kind."""

    def __init__(self, offer: Offer[Any], plugins: Plugins, held: Mapping[str, Any], seed: int) -> None:
        self.offer, self.plugins, self.held = offer, plugins, held
        self.dealer = Dealer(option_values(offer.options, plugins, held), random.Random(seed))

    def deal(self) -> Document:
        """The next case: the offer as a recipe has it."""
        return {
            _KEYS.get(self.offer.kind, singular(self.offer.kind)): {
                "type": self.offer.name,
                **self.held,
                **self.dealer.deal(),
            }
        }

    def read(self, document: Document) -> Options:
        """The options of a case.

        Raises:
            Impossible: the model refuses them.

        """
        (named,) = document.values()
        return read_options(self.offer, named, self.plugins)


def read_options(offer: Offer[Any], named: Mapping[str, Any], plugins: Plugins) -> Options:
    """The options of an offer, as a recipe has them beside the offer's `type`.

    Raises:
        Impossible: the model refuses them.

    """
    entries = {key: value for key, value in named.items() if key != "type"}
    node = read_text(data_to_yaml(entries) if entries else "{}", "recipe.yaml")
    assert isinstance(node, MapNode)
    try:
        options: Options = read_settings(offer.options, node, plugins)
    except DocumentError as error:
        raise Impossible(error.message) from None
    return options.of(offer)
