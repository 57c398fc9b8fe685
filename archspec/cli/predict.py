"""`archspec predict`: classify images with a trained network."""

from __future__ import annotations

from pathlib import Path

import rich_click as click
from click.exceptions import Exit

from archspec.cli.output import checkpoint_option, device_option, json_option, print_json
from archspec.errors import DataError
from archspec.paths import is_folder
from archspec.plugins import Plugins


@click.command()
@click.argument("run")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@checkpoint_option
@device_option
@json_option
@click.pass_obj
def predict(plugins: Plugins, run: str, images: tuple[str, ...], checkpoint: str, device: str, as_json: bool) -> None:
    """Classify images, or all images below a folder.

    An image that cannot be read is reported, and the others go on; the exit code is then 1.
    """
    from archspec.training.run import open_run

    opened = open_run(Path(run), plugins)
    from archspec.training.inference import Classifier

    paths = [path for image in images for path in _expand(Path(image))]
    predictions = list(Classifier(opened, checkpoint, device).predict(paths))
    if as_json:
        print_json({"run": run, "checkpoint": checkpoint, "predictions": [p.record() for p in predictions]})
    else:
        from archspec.report.predictions import print_predictions

        print_predictions(predictions)
    if any(prediction.error for prediction in predictions):
        raise Exit(1)


def _expand(path: Path) -> list[Path]:
    """A folder as the images below it."""
    if not is_folder(path):
        return [path]
    from archspec.data.walk import images_below

    images = [path / name for name in images_below(path, path)]
    if not images:
        raise DataError(f"the folder '{path}' holds no images", file=path)
    return images
