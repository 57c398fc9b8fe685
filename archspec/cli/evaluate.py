"""`archspec eval`: measure a trained network on a split."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from archspec.cli.output import (
    checkpoint_option,
    data_set_option,
    device_option,
    json_option,
    print_json,
    say,
    workers_option,
)
from archspec.errors import DataError
from archspec.plugins import Plugins
from archspec.report.words import plural

if TYPE_CHECKING:
    from archspec.data import ImageData, ImageIndex


@click.command("eval")
@click.argument("run")
@click.option("--data", metavar="NAME[:ROOT]", help="Another data set.  [default: the run's]")
@click.option("--split", metavar="SPLIT", help="Which split.  [default: test, or validation where there is none]")
@checkpoint_option
@device_option
@workers_option
@data_set_option
@click.option("--all-classes", is_flag=True, help="Show every class, where only the worst and the best would be.")
@json_option
@click.pass_obj
def evaluate(
    plugins: Plugins,
    run: str,
    data: str | None,
    split: str | None,
    checkpoint: str,
    device: str,
    workers: int | None,
    overrides: tuple[str, ...],
    all_classes: bool,
    as_json: bool,
) -> None:
    """Measure RUN's network: accuracies, loss, calibration, each class, and which are taken for which.

    With `--data`, `--set data.OPTION=VALUE` reaches its options.
    """
    from archspec.data.opening import open_data
    from archspec.training.documents import choose_data, load_data, split_overrides
    from archspec.training.exchange import current
    from archspec.training.run import open_run, refuse_other_images

    opened = open_run(Path(run), plugins)
    of_spec, of_recipe, of_data = split_overrides(overrides)
    if of_spec or of_recipe:
        raise click.UsageError(f"eval can set the data's options (data.…) only, not '{(of_spec + of_recipe)[0]}'.")
    own = current(opened.path, "data.yaml")
    choice = load_data(own, of_data, plugins) if data is None else choose_data(data, of_data, plugins)
    images = open_data(choice.data, opened.recipe.seed)
    for note in images.notes:
        say("data", note)
    if choice == opened.data and images.drawn:  # drawn anew from other images, a split could hold what was trained on
        refuse_other_images(opened, images, images.splits)
    split = split or ("test" if "test" in images.splits else "validation")
    index = _choose(images, split).relabel(images.classes, opened.classes)

    from archspec.report.inspection import track
    from archspec.training.inference import Classifier

    classifier = Classifier(opened, checkpoint, device)
    batches = -(-len(index) // opened.recipe.batch_size)
    figures = classifier.evaluate(index, workers, lambda parts: track(parts, batches, "measuring, batch"))
    if as_json:
        facts = {"run": run, "split": split, "checkpoint": checkpoint, "epoch": classifier.epoch}
        print_json({**facts, **figures.record()}, rows=True)
        return
    from archspec.report.figures import print_figures

    click.echo(
        f"{run} ({checkpoint}, epoch {classifier.epoch}) on {split}: {plural(figures.images, 'image')}, "
        f"top-1 {figures.top1:.2%}, top-{figures.top5_k} {figures.top5:.2%}, loss {figures.loss:.4f}"
        + (f"; {plural(figures.skipped, 'image')} could not be read" if figures.skipped else "")
    )
    print_figures(figures, all_classes=all_classes)


def _choose(data: ImageData, split: str) -> ImageIndex:
    """The images of a split, or of all splits."""
    if split not in (*data.splits, "all"):
        help = f"splits: {', '.join(data.splits)}, all"
        raise DataError(f"the data has no split '{split}'", file=data.root, help=help)
    chosen = list(data.splits.values()) if split == "all" else [data.splits[split]]
    return reduce(lambda first, second: first.join(second), chosen)
