"""`archspec data preview`: a picture of what the network will see."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from archspec.cli.output import json_option, not_empty, print_json, set_option
from archspec.errors import DataError
from archspec.paths import is_file, is_folder
from archspec.plugins import Plugins
from archspec.report.words import plural
from archspec.spec.arch import InputSpec
from archspec.spec.load import load_spec

if TYPE_CHECKING:
    from PIL.Image import Image

    from archspec.report.preview import Preview

_PNG = b"\x89PNG\r\n\x1a\n"


@click.command()
@click.argument("data")
@click.option("--recipe", default="default", show_default=True, metavar="NAME|FILE", help="How training sees images.")
@click.option("--output", required=True, metavar="FILE.png", callback=not_empty, help="The picture.")
@click.option("--spec", metavar="SPEC", help="The network, whose input decides size and channels.")
@click.option("--size", type=click.IntRange(8, 2_048), help="Pixels of a side instead.  [default: 224]")
@click.option("--split", default="train", show_default=True, help="Which images.")
@click.option("--epoch", type=click.IntRange(1, 100_000), default=1, show_default=True, help="The first one shown.")
@click.option("--images", type=click.IntRange(1, 64), default=8, show_default=True, help="Rows.")
@click.option("--views", type=click.IntRange(1, 16), default=6, show_default=True, help="Epochs beside each image.")
@click.option("--mixed", is_flag=True, help="Batches as mixup and cutmix make them, a row each.")
@set_option
@json_option
@click.pass_obj
def preview(
    plugins: Plugins, /, data: str, output: str, images: int, mixed: bool, as_json: bool, **options: Any
) -> None:
    """Draw what the network will see of DATA, NAME[:ROOT]: images, and beside them their views in training.

    The views are those of a run with the same recipe and data, bit for bit: a column is an epoch. `--set` reaches the
    recipe (`recipe.augmentation=strong`), the data set (`data.validation=0.2`) and, with `--spec`, the network.
    """
    path = Path(output)
    _refuse_output(path)
    shown = _open(plugins, data, rows=images, **options)
    from archspec.report.preview import mixed_sheet, views_sheet
    from archspec.report.sheet import draw_sheet

    if mixed and not (shown.recipe.mixup or shown.recipe.cutmix):
        raise DataError("the recipe mixes nothing", help="such as --set recipe.mixup=0.2 --set recipe.cutmix=1")
    sheet = mixed_sheet(shown) if mixed else views_sheet(shown)
    _write(draw_sheet(sheet), path)
    if as_json:
        print_json(_document(shown, output, mixed=mixed))
        return
    rows = plural(len(sheet.rows), "image")
    if mixed:
        rows = "1 batch" if len(sheet.rows) == 1 else f"{len(sheet.rows)} batches"
    click.echo(f"wrote {output}: {rows} of {shown.split}")


def _open(plugins: Plugins, data: str, *, overrides: tuple[str, ...], **options: Any) -> Preview:
    """The data, the recipe and the input, from the command line."""
    from archspec.data.opening import open_data
    from archspec.report.preview import Preview
    from archspec.training.documents import choose_data, load_recipe, split_overrides

    of_spec, of_recipe, of_data = split_overrides(overrides)
    input = _input(plugins, options.pop("spec"), options.pop("size"), of_spec)
    recipe = load_recipe(options.pop("recipe"), of_recipe, plugins)
    preprocessing = recipe.preprocessing(input)
    choice = choose_data(data, of_data, plugins)
    opened = open_data(choice.data, recipe.seed)
    if options["split"] not in opened.splits:
        help = f"splits: {', '.join(opened.splits)}"
        raise DataError(f"the data has no split '{options['split']}'", file=opened.root, help=help)
    return Preview(opened, recipe=recipe, preprocessing=preprocessing, **options)


def _input(plugins: Plugins, spec: str | None, size: int | None, overrides: list[str]) -> InputSpec:
    if spec is None:
        if overrides:
            raise click.UsageError(f"--set {overrides[0]} is of a network: name it with --spec.")
        return InputSpec(size=(size or 224, size or 224))
    if size is not None:
        raise click.UsageError("--spec has a size already: --set input.size=... changes it.")
    return load_spec(spec, overrides, plugins=plugins).input


def _refuse_output(path: Path) -> None:
    """Refuse a file that is no picture, and would be lost."""
    if path.suffix.lower() != ".png":
        raise click.UsageError(f"--output '{path}' must end in .png.")
    if is_folder(path) or (is_file(path) and not _is_picture(path)):
        raise DataError(f"'{path}' exists already, and is no PNG picture", file=path, help="name another file")


def _is_picture(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_PNG)) in (_PNG, b"")


def _write(image: Image, path: Path) -> None:
    from archspec.files import write_bytes

    stream = io.BytesIO()
    image.save(stream, "PNG")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, stream.getvalue())
    except OSError as error:
        raise DataError(f"'{path}' cannot be written: {error.strerror or error}", file=path) from error


def _document(shown: Preview, output: str, *, mixed: bool) -> dict[str, Any]:
    index = shown.index
    document: dict[str, Any] = {"output": output, "split": shown.split, "size": list(shown.preprocessing.size)}
    if mixed:
        return {**document, "epoch": shown.epoch, "batches": shown.rows}
    images = [
        {"image": index.name(position), "class": shown.data.classes[index.labels[position]]}
        for position in shown.positions
    ]
    return {**document, "epochs": list(range(shown.epoch, shown.epoch + shown.views)), "images": images}
