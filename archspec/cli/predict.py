"""`archspec predict`: classify images with a trained network."""

from __future__ import annotations

from pathlib import Path

import rich_click as click
from click.exceptions import Exit

from archspec.cli.output import checkpoint_option, device_option, json_option, print_json
from archspec.plugins import Plugins


@click.command()
@click.argument("run")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@checkpoint_option
@device_option
@json_option
@click.pass_obj
def predict(plugins: Plugins, run: str, images: tuple[str, ...], checkpoint: str, device: str, as_json: bool) -> None:
    """Classify images. One that cannot be read is reported, and the others go on; the exit code is then 1."""
    from archspec.training.run import open_run

    opened = open_run(Path(run), plugins)
    from archspec.training.inference import Classifier

    predictions = list(Classifier(opened, checkpoint, device).predict([Path(image) for image in images]))
    if as_json:
        print_json({"run": run, "checkpoint": checkpoint, "predictions": [p.record() for p in predictions]})
    else:
        from archspec.report.predictions import print_predictions

        print_predictions(predictions)
    if any(prediction.error for prediction in predictions):
        raise Exit(1)
