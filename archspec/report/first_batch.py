"""RUN/first-batch.png: what the network saw in the first step of a run."""

from __future__ import annotations

import io
from collections.abc import Callable

from torch import Tensor

from archspec.data.mixing import Mixing
from archspec.errors import place_raised
from archspec.files import write_bytes
from archspec.report.batch import batch_pictures, describe_augmentation, describe_mixing
from archspec.report.sheet import Sheet, draw_sheet
from archspec.training.session import Session

FIRST_BATCH = "first-batch.png"
_MOST, _COLUMNS = 32, 8


class FirstBatch(Mixing):
    """Stands in the place of a new run's mixing for one step, and keeps what it gives. Nothing is drawn at random."""

    def __init__(self, session: Session, warn: Callable[[str], None]) -> None:
        self._session, self._warn = session, warn
        self._mixing = session.trainer.mixing
        self._seen: tuple[Tensor, Tensor] | None = None
        self._step = 1
        self._augmentation = describe_augmentation(session.run.recipe)
        self._path = session.run.path / FIRST_BATCH
        if session.trainer.progress.step == 0 and not self._path.exists():
            session.trainer.mixing = self

    def __call__(self, images: Tensor, labels: Tensor, epoch: int, number: int) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) and (B,) -> what the run's own mixing makes of them."""
        trainer = self._session.trainer
        trainer.mixing = self._mixing
        images, targets = self._mixing(images, labels, epoch, number)
        self._seen = images[:_MOST].clone(), targets[:_MOST].clone()
        self._step = trainer.progress.step + 1
        if trainer.features is not None and trainer.route is not None and trainer.route.kept:
            positions = next(trainer.train_loader.positions(epoch))[:_MOST]  # the images themselves are not at hand
            pixels = trainer.features.look(epoch, positions)
            self._seen = trainer.normalize(pixels), self._seen[1][: len(pixels)]
            self._augmentation = describe_view(*trainer.features.views.at(epoch))
        return images, targets

    def save(self) -> None:
        """Draw the batch, where one was kept. A failure is a warning: a picture is not worth a run."""
        if self._seen is None:
            return
        try:
            write_bytes(self._path, self._draw(*self._seen))
        except Exception as error:
            what = f"{FIRST_BATCH} was not drawn: {type(error).__name__}: {error}"
            self._warn(f"{what}\n   help: {place_raised(error)} raised it; the run goes on without it")
        self._seen = None

    def _draw(self, images: Tensor, targets: Tensor) -> bytes:
        run, normalize = self._session.run, self._session.trainer.normalize
        pictures = batch_pictures(images, targets, normalize, run.classes)
        rows = tuple(pictures[first : first + _COLUMNS] for first in range(0, len(pictures), _COLUMNS))
        height, width = run.info.preprocessing.size
        title = f"{self._session.data.root.name}: what the network saw in step {self._step:,}, {width}x{height} px"
        lines = self._augmentation, describe_mixing(run.recipe)
        stream = io.BytesIO()
        draw_sheet(Sheet(title, lines, (), rows, (width, height))).save(stream, "PNG", compress_level=1)
        return stream.getvalue()


def describe_view(draw: int | None, flip: int) -> str:
    """How images are looked at while features of them are kept."""
    view = "the middle of each image" if draw is None else f"the augmentation of epoch {draw + 1}"
    return f"features are kept: {view}{', mirrored' if flip else ''}"
