"""`archspec data inspect`: what does a data set hold, and what is wrong with it? No torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from archspec.cli.output import check_target, data_set_option, json_option, not_empty, print_json, say
from archspec.errors import DataError
from archspec.plugins import Plugins

if TYPE_CHECKING:
    from archspec.data.findings import Finding
    from archspec.data.index import ImageIndex
    from archspec.data.inspection import Inspection


@click.command("inspect")
@click.argument("data", metavar="[DATA]", default="imagefolder")
@click.option("--gallery", metavar="FILE", callback=not_empty, help="Write a page of thumbnails, such as gallery.html.")
@click.option("--per-class", type=click.IntRange(1, 200), default=12, show_default=True, help="Thumbnails of a class.")
@click.option(
    "--seed", type=click.IntRange(min=0, max=2**31 - 1), default=0, help="Of splits that are drawn, as train's."
)
@click.option(
    "--workers", type=click.IntRange(min=0, max=256), help="Processes that read images.  [default: one a core, up to 8]"
)
@data_set_option
@json_option
@click.pass_obj
def inspect_data(
    plugins: Plugins,
    data: str,
    gallery: str | None,
    per_class: int,
    seed: int,
    workers: int | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Look at every image of DATA, as NAME[:ROOT]: counts, sizes, colours, unreadable files, copies, leaks.

    It ends in 1 where a file cannot be read, two splits share an image, or an image stands under two labels; warnings
    and notes end in 0.
    """
    from archspec.training.documents import choose_data, split_overrides

    of_spec, of_recipe, of_data = split_overrides(overrides)
    if of_spec or of_recipe:
        raise click.UsageError(f"inspect can set the data's options (data.…) only, not '{(of_spec + of_recipe)[0]}'.")
    if gallery is not None:
        check_target(Path(gallery), "gallery.html")
    choice = choose_data(data, of_data, plugins)

    from archspec.data.findings import find_faults
    from archspec.data.inspection import inspect, join_splits
    from archspec.data.opening import open_data
    from archspec.data.survey import survey
    from archspec.report.inspection import print_inspection, suggested_flags, track

    images = open_data(choice.data, seed)
    index = join_splits(images)
    inspection = inspect(images, track(survey(index, workers), len(index), "looking at images"))
    findings = find_faults(inspection)
    if gallery is not None:
        _write_gallery(Path(gallery), per_class, index, inspection, findings)
    ok = all(finding.severity != "error" for finding in findings)
    if as_json:
        found = [finding.record() for finding in findings]
        print_json({"ok": ok, **inspection.record(), "set": suggested_flags(inspection), "findings": found})
    else:
        print_inspection(inspection, findings)
    if not ok:
        raise Exit(1)


def _write_gallery(
    path: Path, per_class: int, index: ImageIndex, inspection: Inspection, findings: list[Finding]
) -> None:
    """Read the images that the page shows once more, and write it whole."""
    from archspec.files import write_text
    from archspec.report.gallery import gallery_page
    from archspec.report.inspection import track
    from archspec.report.pictures import choose_images, make_pictures, numbers_of_pairs

    chosen = choose_images(index, inspection, per_class)
    numbers = sorted({*numbers_of_pairs(inspection), *(number for some in chosen.values() for number in some)})
    pictures = dict(track(make_pictures(index, numbers), len(numbers), "making thumbnails"))
    try:
        write_text(path, gallery_page(inspection, findings, index, chosen, pictures))
    except OSError as error:
        raise DataError(f"'{path}' cannot be written: {error.strerror or error}", file=path) from error
    say("gallery", str(path))
