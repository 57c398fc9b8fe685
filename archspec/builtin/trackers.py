"""Trackers: TensorBoard."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from archspec import Offer, Offers, Options, hookimpl
from archspec.errors import RunError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from archspec import EpochResult, StepResult, Tracker


class TensorBoardOptions(Options):
    """Options of the TensorBoard tracker."""

    every: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Steps that a point is the mean of, and for which the device is waited for once."""


class TensorBoard:
    """Event files in RUN/tensorboard: means over some steps under `step/`, an epoch's under `train/`, `validation/`."""

    def __init__(self, every: int, folder: Path) -> None:
        self._every, self._folder = every, folder
        self._writer: SummaryWriter | None = None
        self._waiting: list[StepResult] = []
        self._since = 0.0

    def begin(self, info: dict[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # readers drop what was written of this step and later ones: they are trained again
        self._writer = SummaryWriter(str(self._folder), purge_step=info["step"] + 1)
        if info["step"] == 0:
            for name in ("spec", "recipe", "data"):
                self._writer.add_text(name, f"```json\n{json.dumps(info[name], indent=2)}\n```")
        self._since = time.perf_counter()

    def step(self, result: StepResult) -> None:
        self._waiting.append(result)
        # by the step's number, not by a count: a resumed run then writes the same points
        if result.step % self._every == 0 or result.batch == result.batches:
            self._write_steps(result)

    def _write_steps(self, last: StepResult) -> None:
        """The means over the steps that wait, at the last one's place."""
        from torch import stack

        images = sum(step.images for step in self._waiting)
        losses = stack([step.loss.float() * step.images for step in self._waiting])
        loss, correct = stack([losses.sum(), stack([step.correct for step in self._waiting]).sum().float()]).tolist()
        now = time.perf_counter()
        speed = {"images_per_second": images / (now - self._since)}
        self._write("step", {"loss": loss / images, "top1": correct / images, "lr": last.lr, **speed}, last.step)
        self._waiting.clear()
        self._since = now

    def epoch(self, result: EpochResult) -> None:
        speed = {"images_per_second": result.images_per_second}
        self._write("train", {"loss": result.train_loss, "top1": result.train_top1, **speed}, result.step)
        if (found := result.validation) is not None:
            figures = {name: getattr(found, name) for name in ("loss", "top1", "top5", "balanced")}
            self._write("validation", figures, result.step)
        if self._writer is not None:
            self._writer.flush()  # a run that is killed goes on from here
        self._since = time.perf_counter()

    def _write(self, group: str, figures: dict[str, float], step: int) -> None:
        if self._writer is not None:
            for name, figure in figures.items():
                self._writer.add_scalar(f"{group}/{name}", figure, step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None


def tensorboard(options: TensorBoardOptions, folder: Path) -> Tracker:
    """TensorBoard's event files, by torch's writer."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        message = f"the tracker 'tensorboard' needs TensorBoard: {error}"
        raise RunError(message, help="pip install 'archspec-nn[tensorboard]'") from error
    return TensorBoard(options.every, folder)


@hookimpl
def archspec_trackers() -> Offers:
    return {"tensorboard": Offer(TensorBoardOptions, tensorboard, "event files for TensorBoard, in RUN/tensorboard")}
