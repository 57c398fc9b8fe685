"""`archspec predict`: classify images with a trained network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from archspec.cli.output import (
    check_target,
    checkpoint_option,
    device_option,
    json_option,
    not_empty,
    print_json,
    say,
    workers_option,
)
from archspec.errors import DataError, printable
from archspec.plugins import Plugins
from archspec.report.words import plural

if TYPE_CHECKING:
    from archspec.report.predictions import Rows
    from archspec.training.inference import Prediction

_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".txt": "table"}
_BEST = 5
"""So many classes of an image are told."""


@click.command()
@click.argument("run")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@checkpoint_option
@device_option
@workers_option
@click.option("--output", metavar="FILE", callback=not_empty, help="Write a file: .jsonl, .csv, or .txt.")
@click.option("--format", type=click.Choice(["table", "jsonl", "csv"]), help="[default: the file's, or table]")
@json_option
@click.pass_obj
def predict(
    plugins: Plugins,
    run: str,
    images: tuple[str, ...],
    checkpoint: str,
    device: str,
    workers: int | None,
    output: str | None,
    format: str | None,
    as_json: bool,
) -> None:
    """Classify images: files, folders with all below them, and quoted patterns such as 'photos/**/*.jpg'.

    An image that cannot be read is reported, and the others go on; the exit code is then 1.
    """
    format = _choose_format(format, output, as_json=as_json)
    if output is not None:
        check_target(Path(output), "predictions.csv")
    from archspec.training.run import open_run

    opened = open_run(Path(run), plugins)
    from archspec.data.given import given_images
    from archspec.report.inspection import track
    from archspec.training.inference import Classifier

    paths = [path for image in images for path in given_images(image)]
    classifier = Classifier(opened, checkpoint, device)
    rows = _rows(format, paths, opened.classes, to_file=output is not None)
    seen = _Seen(tell=as_json or output is not None or format != "table")
    predictions = seen.count(classifier.predict(paths, workers, _BEST))
    if as_json or output is not None:  # elsewhere a bar would stand among the rows
        predictions = track(predictions, len(paths), "classifying")
    if as_json and output is None:
        listed: dict[str, Any] = {"predictions": [prediction.record() for prediction in predictions]}
    else:
        listed = {"output": output}
        with _destination(output) as write:
            write(rows.head())
            for prediction in predictions:
                write(rows.row(prediction))
    say("speed", f"{plural(seen.images, 'image')} in {seen.seconds:.1f} s: {seen.speed:,.1f} images/s")
    if as_json:
        print_json({"run": run, "checkpoint": checkpoint, **listed, **seen.record()})
    if seen.unreadable:
        raise Exit(1)


def _choose_format(format: str | None, output: str | None, *, as_json: bool) -> str:
    """What `--format` says, or the file's suffix, or a table."""
    if as_json and format is not None and output is None:
        raise click.UsageError("--json and --format both say what is printed: give one, or a file with --output.")
    if format is not None or output is None:
        return format or "table"
    suffix = Path(output).suffix.lower()
    if suffix not in _SUFFIXES:
        raise click.UsageError(f"--output '{output}' ends in none of {', '.join(_SUFFIXES)}: add its --format.")
    return _SUFFIXES[suffix]


def _rows(format: str, paths: Sequence[str], classes: Sequence[str], *, to_file: bool) -> Rows:
    from rich.console import Console

    from archspec.report.predictions import CsvRows, JsonRows, TableRows, TabRows

    if format == "jsonl":
        return JsonRows()
    if format == "csv":
        return CsvRows(min(_BEST, len(classes)))
    return TableRows(paths, classes) if Console().is_terminal and not to_file else TabRows()


@contextmanager
def _destination(output: str | None) -> Iterator[Callable[[str], object]]:
    """Writes to standard output, row by row, or to a file that appears when it is complete."""
    if output is None:
        yield lambda text: click.echo(text, nl=False)
        return
    from archspec.files import writing

    try:
        with writing(Path(output)) as stream:
            yield stream.write
    except OSError as error:
        raise DataError(f"'{output}' cannot be written: {error.strerror or error}", file=output) from error


@dataclass
class _Seen:
    """How many images were classified, and how fast."""

    tell: bool
    """Whether an unreadable image gets a line on standard error: a table has it in its place."""
    images: int = 0
    unreadable: int = 0
    began: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0

    def count(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Pass the predictions on."""
        for prediction in predictions:
            self.images += 1
            self.unreadable += prediction.error is not None
            self.seconds = time.perf_counter() - self.began
            if self.tell and prediction.error is not None:
                say("unread", printable(prediction.error))
            yield prediction

    @property
    def speed(self) -> float:
        return self.images / self.seconds

    def record(self) -> dict[str, Any]:
        return {"images": self.images, "unreadable": self.unreadable, "images_per_second": self.speed}
