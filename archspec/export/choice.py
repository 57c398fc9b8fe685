"""`--to NAME --set export.KEY=VALUE`: an exporter and its options, read as a document's are. No torch here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from archspec.errors import Place
from archspec.export.options import ExporterOptions
from archspec.offers import Offered, Settings
from archspec.plugins import Plugins
from archspec.spec.override import apply_override
from archspec.spec.reader import Entry, Mapping, Scalar
from archspec.spec.settings import read_settings

FILE = "--to"
"""What stands for the file in the place of a value."""


class ExportChoice(Settings):
    """How a network is written."""

    export: Annotated[ExporterOptions, Offered("exporters")]


def read_exporter(name: str, overrides: Iterable[str], plugins: Plugins) -> ExporterOptions:
    """The options of the exporter of this name, with `export.option=value` texts.

    Raises:
        DocumentError: nobody offers such an exporter, or an option is wrong; it points into `name` or a text.
        PluginError: several plugins offer it, or its options derive from something else.

    """
    place = Place(FILE, 1, 1, len(name), name)
    document = Mapping(place, {"export": Entry(place, Scalar(name, place))})
    for number, override in enumerate(overrides, start=1):
        apply_override(document, override, number)
    return read_settings(ExportChoice, document, plugins).export
