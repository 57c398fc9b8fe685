"""All who are told of a run while it goes on: the screen, the recipe's trackers, the picture of the first batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from archspec.finetuning.solve import HeadResult
from archspec.report import progress
from archspec.report.first_batch import FirstBatch
from archspec.training.results import EpochResult, FeatureResult, Result
from archspec.training.session import Session
from archspec.training.tracking import Trackers


@contextmanager
def watch(session: Session) -> Iterator[tuple[Callable[[Result], None], Callable[[str], None]]]:
    """A context around a run: a function to call with each of its results, and one that shows a sentence.

    Raises:
        ArchspecError: a tracker of the recipe cannot be made.

    """
    screen = progress.TrainingProgress(session.trainer.epochs, best=session.best)
    with screen, Trackers(session, screen.warn) as trackers:
        first = FirstBatch(session, screen.warn)

        def tell(result: Result) -> None:
            if isinstance(result, FeatureResult):
                return screen.features(result)
            if isinstance(result, HeadResult):
                return screen.head(result)
            if isinstance(result, EpochResult):
                screen.epoch(result, best=session.best is not None and session.best.epoch == result.epoch)
            else:
                first.save()
                screen.step(result)
            return trackers.tell(result)

        yield tell, screen.notice
