"""What the options of every exporter have. No torch here."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict

from archspec.offers import Options


class ExporterOptions(Options):
    """Options of an exporter. A plugin's exporter derives its own from this."""

    model_config = ConfigDict(defer_build=True)  # most commands never read any of them

    suffix: ClassVar[str] = ""
    """How the name of a file ends, such as `.pt2`, where `archspec export` is not told a name."""
