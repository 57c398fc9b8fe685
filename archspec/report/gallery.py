"""A page of thumbnails of a data set, with what is wrong with it: one file, without scripts, that needs no network."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from itertools import accumulate
from pathlib import Path
from string import Template

from archspec.data.duplicates import Copy, DuplicatePair
from archspec.data.findings import Finding
from archspec.data.index import TEST, TRAIN, VALIDATION, ImageIndex
from archspec.data.inspection import Inspection
from archspec.errors import printable
from archspec.report.pictures import MOST_PAIRS, Picture

_MOST_CORRUPT = 200


def gallery_page(
    inspection: Inspection,
    findings: Sequence[Finding],
    index: ImageIndex,
    chosen: Mapping[int, Sequence[int]],
    pictures: Mapping[int, Picture | None],
) -> str:
    """The page as HTML: `chosen` images of each class, the copies, and the files that cannot be read.

    Names of files and classes are text here, whatever they hold.
    """
    folder = files("archspec.report")
    sections = (
        _findings(findings),
        _pairs(inspection, pictures),
        _corrupt(inspection),
        _counts(inspection),
        _classes(inspection, index, chosen, pictures),
    )
    return Template((folder / "gallery.html").read_text(encoding="utf-8")).substitute(
        title=_text(Path(inspection.root).name or inspection.root),
        kind=_text(inspection.name),
        root=_text(inspection.root),
        style=(folder / "gallery.css").read_text(encoding="utf-8"),
        figures=_figures(inspection),
        sections="\n".join(filter(None, sections)),
    )


def _text(text: str) -> str:
    """Text for the page, in an element or an attribute: no name can become markup."""
    return escape(printable(text), quote=True)


def _tone(split: str) -> str:
    """The style class of a split, which gives its colour."""
    return split if split in (TRAIN, VALIDATION, TEST) else "other"


def _chip(tone: str, text: str) -> str:
    return f'<span class="chip {tone}">{_text(text)}</span>'


def _figures(inspection: Inspection) -> str:
    """The strip of figures at the top."""
    figures = [("", split.name, f"{split.images:,}") for split in inspection.splits]
    figures.append(("", "classes", f"{len(inspection.classes):,}"))
    if inspection.input_size is not None:
        figures.append(("", "input size", f"{inspection.input_size} px"))
    bad = sum(len(split.corrupt) for split in inspection.splits), sum(inspection.duplicates.leaked.values())
    figures += [
        ("error" if count else "sound", name, f"{count:,}")
        for name, count in zip(("unreadable", "leaks"), bad, strict=True)
    ]
    rows = (f'<div class="{tone}"><dt>{_text(name)}</dt><dd>{value}</dd></div>' for tone, name, value in figures)
    return "\n".join(rows)


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    rows = "\n".join(
        f"<li>{_chip(finding.severity, finding.severity)}<div><p>{_text(finding.message)}</p>"
        + (f"<p>{_text(finding.help)}</p>" if finding.help else "")
        + "</div></li>"
        for finding in findings
    )
    return f'<h2>Findings</h2>\n<ul class="findings card">\n{rows}\n</ul>'


def _pairs(inspection: Inspection, pictures: Mapping[int, Picture | None]) -> str:
    """Copies side by side, those across splits first."""
    pairs = inspection.duplicates.pairs[:MOST_PAIRS]
    if not pairs:
        return ""
    found = inspection.duplicates.found
    lead = f'<p class="lead">{len(pairs)} of {found:,} pairs</p>' if found > len(pairs) else ""
    cards = "\n".join(_pair(pair, inspection.root, pictures) for pair in pairs)
    return f'<h2>Copies</h2>\n{lead}<div class="pairs">\n{cards}\n</div>'


def _pair(pair: DuplicatePair, root: str, pictures: Mapping[int, Picture | None]) -> str:
    chips = [_chip("note", "mirrored" if pair.mirrored else pair.kind)]
    chips += [_chip("error", "across splits")] if pair.leaks else []
    chips += [_chip("error", "two labels")] if pair.conflicts else []
    halves = (_half(copy, root, pictures.get(copy.number)) for copy in (pair.first, pair.second))
    return f'<div class="pair card"><p>{"".join(chips)}</p>{"".join(halves)}</div>'


def _half(copy: Copy, root: str, picture: Picture | None) -> str:
    name = copy.path.removeprefix(f"{root}/")
    path = _text(name).replace("/", "/<wbr>")
    caption = f"{_chip(_tone(copy.split), copy.split)} <b>{_text(copy.label)}</b><br>{path}"
    return f"<figure>{_image(picture, name)}<figcaption>{caption}</figcaption></figure>"


def _image(picture: Picture | None, name: str) -> str:
    if picture is None:
        return f'<span class="gap" title="{_text(name)}">unreadable</span>'
    tiny = ' class="tiny"' if picture.tiny else ""
    size = f'width="{picture.width}" height="{picture.height}"'
    return f'<img{tiny} src="{picture.source}" {size} alt="{_text(name)}" title="{_text(name)}" decoding="async">'


def _corrupt(inspection: Inspection) -> str:
    corrupt = [file for split in inspection.splits for file in split.corrupt]
    if not corrupt:
        return ""
    shown = corrupt[:_MOST_CORRUPT]
    lead = f'<p class="lead">{len(shown)} of {len(corrupt):,}</p>' if len(corrupt) > len(shown) else ""
    rows = "\n".join(
        f"<tr><td>{_text(file.path.removeprefix(f'{inspection.root}/'))}</td><td>{_text(file.cause)}</td></tr>"
        for file in shown
    )
    return f'<h2>Unreadable files</h2>\n{lead}<div class="card"><table>\n{rows}\n</table></div>'


def _legend(inspection: Inspection) -> str:
    keys = (f'<span class="{_tone(split.name)}"><i></i>{_text(split.name)}</span>' for split in inspection.splits)
    return f'<p class="legend">{"".join(keys)}</p>'


def _counts(inspection: Inspection) -> str:
    """A bar for each class, divided by split, that leads to its images."""
    totals = {name: sum(split.per_class[name] for split in inspection.splits) for name in inspection.classes}
    most = max(totals.values(), default=0) or 1
    rows = "\n".join(
        f'<a href="#class-{label}"><span title="{_text(name)}">{_text(name)}</span>'
        f'<span class="bar">{_bar(inspection, name, most)}</span><span class="number">{total:,}</span></a>'
        for label, (name, total) in enumerate(totals.items())
    )
    return f'<h2>Classes</h2>\n{_legend(inspection)}<nav class="counts card">\n{rows}\n</nav>'


def _bar(inspection: Inspection, name: str, most: int) -> str:
    counts = ((split.name, split.per_class[name]) for split in inspection.splits)
    return "".join(
        f'<i class="{_tone(split)}" style="width:{count / most:.2%}"></i>' for split, count in counts if count
    )


def _classes(
    inspection: Inspection,
    index: ImageIndex,
    chosen: Mapping[int, Iterable[int]],
    pictures: Mapping[int, Picture | None],
) -> str:
    """The images of each class, each with its split."""
    ends = list(accumulate(split.images for split in inspection.splits))

    def image(number: int) -> str:
        split = inspection.splits[bisect_right(ends, number)].name
        name = index.name(number).removeprefix(f"{inspection.root}/")
        tag = f'<span class="tag {_tone(split)}">{_text(split)}</span>'
        return f"<span>{_image(pictures.get(number), name)}{tag}</span>"

    sections = "\n".join(
        f'<section class="class" id="class-{label}">'
        f"<div><h3>{_text(inspection.classes[label])}</h3><p>{_sizes(inspection, inspection.classes[label])}</p></div>"
        f'<div class="images">{"".join(map(image, numbers))}</div></section>'
        for label, numbers in chosen.items()
    )
    return f"<h2>Images</h2>\n{_legend(inspection)}{sections}"


def _sizes(inspection: Inspection, name: str) -> str:
    """`51 train · 9 validation · no test`."""
    counts = ((split.name, split.per_class[name]) for split in inspection.splits)
    return " · ".join(
        f"{count:,} {_text(split)}" if count else f'<span class="absent">no {_text(split)}</span>'
        for split, count in counts
    )
