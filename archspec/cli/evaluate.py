"""`archspec eval`: measure a trained network on a split."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import rich_click as click

from archspec.cli.output import checkpoint_option, device_option, json_option, print_json, set_option, workers_option
from archspec.errors import DataError
from archspec.plugins import Plugins


@click.command("eval")
@click.argument("run")
@click.option("--data", metavar="NAME[:ROOT]", help="Another data set.  [default: the run's]")
@click.option("--split", metavar="SPLIT", help="Which split.  [default: test, or validation where there is none]")
@checkpoint_option
@device_option
@workers_option
@set_option
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
    as_json: bool,
) -> None:
    """Measure RUN's network: top-1 and top-5 accuracy, and cross entropy.

    With `--data`, `--set data.OPTION=VALUE` reaches its options.
    """
    from archspec.data.index import ImageIndex
    from archspec.training.recipe import choose_data, split_overrides
    from archspec.training.run import open_run

    opened = open_run(Path(run), plugins)
    of_spec, of_recipe, of_data = split_overrides(overrides)
    if of_spec or of_recipe:
        raise click.UsageError(f"eval can set the data's options (data.…) only, not '{(of_spec + of_recipe)[0]}'.")
    if of_data and data is None:
        raise click.UsageError("--set data.… goes with --data.")
    choice = opened.data if data is None else choose_data(data, of_data, plugins)
    images = choice.data.offer.make(choice.data, opened.recipe.seed)
    split = split or ("test" if "test" in images.splits else "validation")
    if split not in (*images.splits, "all"):
        help = f"splits: {', '.join(images.splits)}, all"
        raise DataError(f"the data has no split '{split}'", file=images.root, help=help)
    chosen = list(images.splits.values()) if split == "all" else [images.splits[split]]
    index = reduce(ImageIndex.join, chosen).relabel(images.classes, opened.classes)

    from archspec.training.inference import Classifier

    classifier = Classifier(opened, checkpoint, device)
    result = classifier.evaluate(index, workers)
    if as_json:
        print_json({"run": run, "split": split, "checkpoint": checkpoint, **result.record()})
        return
    top5 = min(5, len(opened.classes))
    click.echo(
        f"{run} ({checkpoint}, epoch {classifier.epoch}) on {split}: {result.images:,} images, "
        f"top-1 {result.top1:.2%}, top-{top5} {result.top5:.2%}, loss {result.loss:.4f}"
    )
