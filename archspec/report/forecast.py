"""What a run will be, before it begins: its steps, parameter groups, learning rate, memory, disk and time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from archspec.report.course import BLOCKS
from archspec.report.introduction import Line
from archspec.report.pace import show_time
from archspec.report.words import plural
from archspec.training.forecast import Forecast, PhaseTime, epoch_seconds, run_seconds
from archspec.training.loop import Trainer
from archspec.training.session import Session

_COLUMNS, _ROWS = 60, 4


def describe_forecast(session: Session, forecast: Forecast) -> Iterator[Line]:
    """A heading and a sentence each; the learning rate as a plot."""
    trainer = session.trainer
    images = len(trainer.validation_loader.index)
    epochs = f"{plural(trainer.epochs, 'epoch')} of {plural(trainer.steps_per_epoch, 'step')}"
    every = trainer.recipe.evaluate_every
    after = "each epoch" if every == 1 else f"every {every} epochs"
    yield "steps", f"{trainer.total_steps:,}: {epochs}; evaluation of {plural(images, 'image')} after {after}"
    if trainer.recipe.sizes:
        parts = (f"{part.size} px up to {part.until:.0%} of the run" for part in trainer.recipe.sizes)
        yield "inputs", f"{', '.join(parts)}; {min(session.run.info.preprocessing.size)} px in evaluation"
    yield from _describe_groups(trainer)
    yield from _plot_rate(trainer)
    free = f" of {forecast.memory_free / 1e9:.1f} GB free" if forecast.memory_free is not None else ""
    yield "memory", f"{forecast.memory / 1e9:.2f} GB{free}, of weights, optimizer, gradients and a batch"
    yield "disk", f"{forecast.disk / 1e9:.2f} GB of {forecast.disk_free / 1e9:.1f} GB free, of checkpoints"
    yield from _describe_time(trainer, forecast)


def _describe_time(trainer: Trainer, forecast: Forecast) -> Iterator[Line]:
    """Of each phase, where there are several or one keeps features; and of the whole run."""
    phases = forecast.phases
    seconds = epoch_seconds(trainer, phases)
    total = f"{show_time(sum(seconds))} in all, where images are read in time"
    if len(phases) == 1 and phases[0].prefix_seconds is None:
        yield "time", f"{phases[0].step_seconds:.3g} s a step, {show_time(seconds[0])} an epoch, {total}"
    else:
        passed = trainer.features.images_passed() if trainer.features is not None else {}
        stops = [*(phase.start for phase in phases[1:]), trainer.epochs]
        for number, (phase, stop) in enumerate(zip(phases, stops, strict=True)):
            images = sum(passed.get(epoch, 0) for epoch in range(phase.start, stop))
            solved = trainer.solves_head and stop == 1
            told = _describe_phase(phase, stop, sum(seconds[phase.start : stop]), images, solved=solved)
            yield "" if number else "time", told
        yield "", total
    if forecast.bf16 is not None and (faster := run_seconds(trainer, forecast.bf16)) < sum(seconds):
        yield "", f"{show_time(faster)} in all in bf16, while nothing else runs here: --set recipe.precision=bf16"


def _describe_phase(phase: PhaseTime, stop: int, seconds: float, images: int, *, solved: bool) -> str:
    """`images` go through the frozen prefix in it."""
    epochs = f"epoch {stop}" if stop - phase.start == 1 else f"epochs {phase.start + 1}-{stop}"
    kept = f", of which {show_time((phase.prefix_seconds or 0) * images)} for features of {images:,} images"
    steps = "the head is solved" if solved else f"{phase.step_seconds:.3g} s a step"
    return f"{epochs}: {show_time(seconds)}{kept if images else ''}; {steps}"


def _describe_groups(trainer: Trainer) -> Iterator[Line]:
    for number, group in enumerate(trainer.optimizer.param_groups):
        count = sum(parameter.numel() for parameter in group["params"])
        decay = group.get("weight_decay") or 0
        what = f"{count:,} parameters in {plural(len(group['params']), 'tensor')}"
        yield "groups" if number == 0 else "", f"{what}, weight decay {decay:g}, learning rate {group['lr']:g}"


def _plot_rate(trainer: Trainer) -> Iterator[Line]:
    """The learning rate over the run, as columns of blocks; each is the highest rate of its steps."""
    total, columns = trainer.total_steps, min(_COLUMNS, trainer.total_steps)
    bounds = [total * column // columns for column in range(columns + 1)]
    heights = [max(map(trainer.schedule, _some(*pair))) for pair in pairwise(bounds)]
    peak = max(heights)
    levels = [round(height / peak * _ROWS * len(BLOCKS)) for height in heights]
    for row in reversed(range(_ROWS)):
        filled = [min(max(level - row * len(BLOCKS), 0), len(BLOCKS)) for level in levels]
        text = "".join(BLOCKS[level - 1] if level else " " for level in filled)
        rate = {_ROWS - 1: f"  {trainer.peak_lrs[0] * peak:.3g}", 0: f"  step {total:,}"}.get(row, "")
        yield "rate" if row == _ROWS - 1 else "", (text + rate).rstrip()


def _some(first: int, end: int, most: int = 50) -> range:
    """Steps from the first to before the end, not too many."""
    return range(first, end, max(1, (end - first) // most))
