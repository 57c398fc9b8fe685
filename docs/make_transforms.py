"""Writes the tables of docs/data-transforms.md from the options of the transforms: `python docs/make_transforms.py`.

A table stands between `<!-- transforms: NAME -->` and `<!-- end -->`; all around it is written by hand.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archspec.builtin import colours, geometry, policies, presets
from archspec.hookspecs import Offers
from archspec.offers import Offer

PAGE = Path(__file__).parent / "data-transforms.md"
_SPEC = runpy.run_path(str(Path(__file__).parent / "make_spec.py"))
_REGION = re.compile(r"(<!-- transforms: (\S+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)


def transforms_page(text: str) -> str:
    """The page with its tables written anew."""
    tables = {name: _transforms_table(offers) for name, offers in _groups().items()}
    found = [name for _, name, _ in _REGION.findall(text)]
    if sorted(found) != sorted(tables):
        raise SystemExit(f"the page must have each of these regions once: {', '.join(tables)}; it has {found}")
    return _REGION.sub(lambda region: f"{region[1]}\n{tables[region[2]]}\n{region[3]}", text)


def _groups() -> dict[str, Offers]:
    moved = dict(geometry.OFFERS)
    whole = {"none": moved.pop("none"), **presets.OFFERS}
    return {"presets": whole, "geometry": moved, "colours": colours.OFFERS, "policies": policies.OFFERS}


def _transforms_table(offers: Offers) -> str:
    rows = [row for name, offer in offers.items() for row in _rows(name, offer)]
    table: str = _SPEC["_table"](("transform", "option", "value", "default", "meaning"), rows)
    return table


def _rows(name: str, offer: Offer[Any]) -> Iterator[list[str]]:
    """What a transform is, and below it its options."""
    yield [f"`{name}`", "", "", "", f"**{offer.summary.removeprefix('preset: ')}**"]
    for option in _SPEC["option_rows"](offer.options):
        value = option.value.replace("[transforms](#transforms)", "transforms")
        yield ["", f"`{option.name}`", value, re.sub(r"(\.\d{3})\d+", r"\1", option.default), option.meaning]


if __name__ == "__main__":
    PAGE.write_text(transforms_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
