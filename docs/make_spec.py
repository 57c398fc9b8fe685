"""Writes the tables of docs/spec.md, data.md, training.md and finetuning.md from the options' models.

Run `python docs/make_spec.py`.

A table stands between `<!-- options: NAME -->` and `<!-- end -->`; all around it is written by hand.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import archspec
from archspec.builtin.named import PublishedOptions
from archspec.offers import Offer, Settings, singular
from archspec.spec.arch import ArchSpec
from archspec.spec.describe import field_descriptions
from archspec.spec.fields import FieldShape, field_shapes
from archspec.spec.parts import Style
from archspec.spec.schema import spec_schema
from archspec.spec.widths import WidthRule

PAGE, DATA_PAGE, TRAINING_PAGE, FINETUNING_PAGE = (
    Path(__file__).parent / name for name in ("spec.md", "data.md", "training.md", "finetuning.md")
)
METHODS = ("optimizers", "schedules", "losses")
KINDS = ("stems", "blocks", "heads", "norms", "activations", "shortcuts", "attentions")
_REGION = re.compile(r"(<!-- options: (\S+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)
_HEADINGS = ("option", "value", "default", "meaning")
_READ_APART = {
    "stages": "list of [blocks](#blocks), or a [width rule](#the-width-rule)",
    "extends": "file, or name in the zoo",
    "defaults": "map of options",
}
"""Values of the keys that are resolved before a spec is read, which its model does not know."""
_GUARD = 10_000
"""An upper bound from here on only catches slips, and is not shown."""
_MOST_NAMED = 12
"""Of more values, which are codes then, the first and the last are shown."""


def spec_page(text: str) -> str:
    """The reference of the language, with its tables written anew."""
    return _write_tables(text, _tables(archspec.Plugins(installed=False)))


def data_page(text: str) -> str:
    """The page of data sets, with its tables written anew."""
    offers = archspec.Plugins(installed=False).offers("datasets")
    small = [offers[name] for name in ("digits", "fake")]
    published = [offer for offer in offers.values() if issubclass(offer.options, PublishedOptions)]
    tables = {name: _options_table(option_rows(offers[name].options)) for name in ("imagefolder", "table")}
    groups = {"published": published, "small": small}
    sections = {name: Section("data sets", group).text() for name, group in groups.items()}
    return _write_tables(text, {**tables, **sections})


def training_page(text: str) -> str:
    """The page of training, with its tables of optimizers, schedules and losses written anew."""
    plugins = archspec.Plugins(installed=False)
    return _write_tables(text, {kind: Section(kind, plugins.offers(kind).values()).text() for kind in METHODS})


def finetuning_page(text: str) -> str:
    """The page of fine-tuning, with its table of freezing policies written anew."""
    offers = archspec.Plugins(installed=False).offers("freezing_policies")
    return _write_tables(text, {"freezing_policies": Section("freezing_policies", offers.values()).text()})


def _write_tables(text: str, tables: dict[str, str]) -> str:
    found = [name for _, name, _ in _REGION.findall(text)]
    if sorted(found) != sorted(tables):
        raise SystemExit(f"the page must have each of these regions once: {', '.join(tables)}; it has {found}")
    return _REGION.sub(lambda region: f"{region[1]}\n{tables[region[2]]}\n{region[3]}", text)


def _tables(plugins: archspec.Plugins) -> dict[str, str]:
    return {
        "spec": _options_table(_key_rows(plugins), first="key"),
        "style": _options_table(option_rows(Style)),
        "width-rule": _options_table(option_rows(WidthRule), first="number"),
        **{kind: Section(kind, plugins.offers(kind).values()).text() for kind in KINDS},
    }


@dataclass(frozen=True)
class Row:
    """One option: how it is written, and what it means."""

    name: str
    value: str
    default: str
    meaning: str

    def cells(self, name: str = "") -> list[str]:
        return [name or f"`{self.name}`", self.value, self.default, self.meaning]


def option_rows(model: type[Settings], prefix: str = "") -> Iterator[Row]:
    """A row for each field of a model; the fields of settings inside it are named `input.size`."""
    shapes, said, schema = field_shapes(model), field_descriptions(model), model.model_json_schema()
    for name, field in model.model_fields.items():
        shape = shapes.get(name)
        if shape is not None and shape.settings is not None:
            yield from option_rows(shape.settings, f"{prefix}{name}.")
            continue
        value = _offers_in_words(shape) if shape is not None else in_words(schema["properties"][name])
        marker = shape.offered if shape is not None else None
        default = field.default if marker is None else marker.default
        required = field.is_required() and (marker is None or default is None)
        yield Row(prefix + name, value, "required" if required else _as_yaml(default), said.get(name, ""))


def _key_rows(plugins: archspec.Plugins) -> Iterator[Row]:
    """The keys of a spec."""
    for row in option_rows(ArchSpec):
        yield replace(row, value=_READ_APART.get(row.name, row.value))
    properties = spec_schema(plugins)["properties"]
    for key in reversed(ArchSpec.document_keys):
        yield Row(key, _READ_APART[key], "", properties[key]["description"])


class Section:
    """What the page says of one kind of offers: the offers, the options that all have, and those that some have."""

    def __init__(self, kind: str, offers: Iterable[Offer[Any]]) -> None:
        self.kind = kind
        self.offers = list(offers)
        self.styled = all(issubclass(offer.options, Style) for offer in self.offers)

    @cached_property
    def _sorted_rows(self) -> tuple[list[Row], dict[str, list[Row]]]:
        """The options declared in a class that every offer's options derive from; then those of each offer."""
        shared: dict[Row, None] = {}
        own: dict[str, list[Row]] = {}
        for offer in self.offers:
            own[offer.name] = []
            for row in option_rows(offer.options):
                declaring = declaring_class(offer.options, row.name)
                if declaring is Style:
                    continue
                if all(issubclass(other.options, declaring) for other in self.offers):
                    shared.setdefault(row)
                else:
                    own[offer.name].append(row)
        return list(shared), own

    def text(self) -> str:
        shared, own = self._sorted_rows
        one = singular(self.kind)
        style = " the [style](#style)" if self.styled else ""
        offers = _table(
            (f"`{'block' if self.kind == 'blocks' else 'type'}`", "what it is", "options of its own"),
            [[f"`{offer.name}`", offer.summary, self._own_in_words(offer)] for offer in self.offers],
        )
        parts = [offers]
        if shared:
            parts.append(f"Every {one} has{style}{' and' if style else ''}:\n\n{_options_table(shared)}")
        elif style:
            parts.append(f"Every {one} has{style}.\n")
        if any(own.values()):
            kinds = self.kind.replace("_", " ")
            parts.append(f"{f'Some {kinds} have' if len(parts) > 1 else 'Their options'}:\n\n{self._own_table()}")
        return "\n".join(parts)

    def _own_in_words(self, offer: Offer[Any]) -> str:
        """Names: `a`, `b`; or, after an offer that has some of them, those of it; `c`."""
        mine, taken = self._own_names(offer), ""
        for other in self.offers[: self.offers.index(offer)]:
            theirs = self._own_names(other)
            if len(theirs) > 1 and theirs.items() <= self._own_names(offer).items():
                taken = f"those of `{other.name}`; "
                mine = {name: row for name, row in self._own_names(offer).items() if name not in theirs}
        return (taken + ", ".join(mine)).removesuffix("; ")

    def _own_names(self, offer: Offer[Any]) -> dict[str, Row | None]:
        styled = issubclass(offer.options, Style) and not self.styled
        rows = {f"`{row.name}`": row for row in self._sorted_rows[1][offer.name]}
        return {**({"[style](#style)": None} if styled else {}), **rows}

    def _own_table(self) -> str:
        """Every option once; one that several offers have in different ways names them."""
        shared, own = self._sorted_rows
        having: dict[Row, list[str]] = {}
        for offer, rows in own.items():
            for row in rows:
                having.setdefault(row, []).append(offer)
        names = [row.name for row in [*shared, *having]]
        order = sorted(having, key=lambda row: names.index(row.name))
        return _table(
            _HEADINGS,
            [
                row.cells(f"`{row.name}` of {_listed(map(_code, having[row]))}" if names.count(row.name) > 1 else "")
                for row in order
            ],
        )


def declaring_class(model: type[Settings], option: str) -> type:
    """The nearest class that declares an option."""
    return next(ancestor for ancestor in model.__mro__ if option in inspect.get_annotations(ancestor))


def _offers_in_words(shape: FieldShape) -> str:
    assert shape.offered is not None
    kind = shape.offered.kind
    if shape.many:
        return f"list of [{kind}](#{kind})"
    return f"{'an' if kind[0] in 'aeiou' else 'a'} [{kind.removesuffix('s')}](#{kind})"


def in_words(schema: dict[str, Any], plural: str = "") -> str:
    """What a JSON schema allows: `whole number from 1 to 64`, `list of 3 whole numbers from 1`."""
    match schema:
        case {"anyOf": choices}:
            return ", or ".join(in_words(choice) for choice in choices if choice != {"type": "null"})
        case {"const": value}:
            return _as_yaml(value)
        case {"enum": values}:
            few = len(values) <= _MOST_NAMED
            return _listed(map(_code, values), "or") if few else f"`{values[0]}` to `{values[-1]}`"
        case {"type": "boolean"}:
            return "`true` or `false`"
        case {"type": "integer"}:
            return f"whole number{plural}{_range(schema)}"
        case {"type": "number"}:
            return f"number{plural}{_range(schema)}"
        case {"type": "string", "examples": [example, *_]}:
            return f"text{plural and 's'} such as `{example}`"
        case {"type": "string"}:
            return "text" + plural
        case {"type": "array", "prefixItems": [first, *rest]} if all(item == first for item in rest):
            return f"list of {len(rest) + 1} {in_words(first, 's')}"
        case {"type": "array", "items": item}:
            return f"list of {in_words(item, 's')}"
    raise NotImplementedError(f"say in words what this schema allows: {schema}")


def _range(schema: dict[str, Any]) -> str:
    """` from 1 to 64`, ` above 0, at most 4`, or nothing."""
    least, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    most, below = schema.get("maximum", _GUARD), schema.get("exclusiveMaximum", _GUARD)
    low = f" from {least:g}" if least is not None else f" above {above:g}" if above is not None else ""
    if below < _GUARD:
        return f"{low}, below {below:g}"
    if most < _GUARD:
        return f"{low} to {most:g}" if least is not None else f"{low}, at most {most:g}"
    return low


def _as_yaml(value: Any) -> str:
    """A default as a spec writes it; nothing for one that no spec can write."""
    if value is None:
        return ""
    text = "[" + ", ".join(map(_plain, value)) + "]" if isinstance(value, tuple) else _plain(value)
    return f"`{text}`"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):  # 1e-05 -> 1e-5, 6.0 -> 6
        return re.sub(r"e-0", "e-", f"{value:g}" if value.is_integer() else repr(value))
    return str(value)


def _code(text: str) -> str:
    return f"`{text}`"


def _listed(texts: Iterable[str], last: str = "and") -> str:
    """`a, b and c`."""
    *most, end = texts
    return f"{', '.join(most)} {last} {end}" if most else end


def _options_table(rows: Iterable[Row], first: str = "option") -> str:
    return _table((first, *_HEADINGS[1:]), [row.cells() for row in rows])


def _table(headings: Iterable[str], rows: list[list[str]]) -> str:
    """A table, without the columns that have nothing to say."""
    columns = [(heading, cells) for heading, *cells in zip(headings, *rows, strict=True) if any(cells)]
    if not columns:
        return ""
    lines = [[heading for heading, _ in columns], ["---"] * len(columns), *zip(*(c for _, c in columns), strict=True)]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


_cell = partial(re.sub, r"\s*\n\s*|\|", lambda found: r"\|" if found[0] == "|" else " ")


if __name__ == "__main__":
    for page, write in (
        (PAGE, spec_page),
        (DATA_PAGE, data_page),
        (TRAINING_PAGE, training_page),
        (FINETUNING_PAGE, finetuning_page),
    ):
        page.write_text(write(page.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
