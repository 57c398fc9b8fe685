"""`archspec train`: a straight road from a spec and a data set to a run directory."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from archspec.cli.output import (
    device_option,
    human,
    json_option,
    not_empty,
    plural,
    print_json,
    say,
    set_option,
    workers_option,
)
from archspec.errors import RunError
from archspec.plan.budget import plan_within_budget
from archspec.plugins import Plugins
from archspec.spec.load import load_spec

if TYPE_CHECKING:
    from archspec.data.store import StorePlan
    from archspec.training.loop import Trainer
    from archspec.training.session import Session


_MUCH = 0.2
"""The share of the time that training may wait for images before it is said."""


@dataclass(frozen=True)
class TrainOptions:
    """The command line of `train`, as it was typed."""

    spec: str | None
    data: str | None
    recipe: str | None
    overrides: tuple[str, ...]
    out: str | None
    resume: str | None
    device: str
    workers: int | None


@click.command()
@click.argument("spec", required=False)
@click.option("--data", metavar="NAME[:ROOT]", help="The data set.  [default: the recipe's, or imagefolder: ./data]")
@click.option("--recipe", metavar="NAME|FILE", help="How to train.  [default: default]")
@click.option("--epochs", type=click.IntRange(1, 100_000), help="Passes over the training images.")
@click.option("--batch-size", type=click.IntRange(2, 65_536), help="Images in a step.")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="Learning rate at the schedule's peak.")
@click.option("--seed", type=click.IntRange(min=0, max=2**31 - 1), help="Of everything random.")
@click.option("--out", metavar="RUN", callback=not_empty, help="The run directory.  [default: runs/NAME-TIME]")
@click.option("--resume", metavar="RUN", callback=not_empty, help="Go on with a run from its last checkpoint.")
@device_option
@workers_option
@set_option
@json_option
@click.pass_obj
def train(
    plugins: Plugins,
    /,
    epochs: int | None,
    batch_size: int | None,
    lr: float | None,
    seed: int | None,
    overrides: tuple[str, ...],
    as_json: bool,
    **rest: Any,
) -> None:
    """Train SPEC's network: a file, or a name of the zoo such as resnet34.

    `--set` reaches the spec (`head.classes=10`), the recipe (`recipe.loss.smoothing=0`) and the data set
    (`data.validation=0.2`). The head follows the data's number of classes.
    """
    daily = {"epochs": epochs, "batch_size": batch_size, "optimizer.lr": lr, "seed": seed}
    flags = tuple(f"recipe.{key}={value}" for key, value in daily.items() if value is not None)
    options = TrainOptions(overrides=(*overrides, *flags), **rest)
    session = _new(options, plugins) if options.resume is None else _resumed(options, options.resume, plugins)
    speed = _run(session)
    if as_json:
        print_json(_document(session, speed))


def _new(options: TrainOptions, plugins: Plugins) -> Session:
    """From the command line to a session: each line hands its value to the next."""
    from archspec.training.recipe import choose_data, load_training, split_overrides
    from archspec.training.run import check_new_run, new_run_path

    if options.spec is None:
        raise click.UsageError("Missing argument 'SPEC' (or --resume RUN).")
    of_spec, _, of_data = split_overrides(options.overrides)
    spec = load_spec(options.spec, of_spec, plugins=plugins)
    plan_within_budget(spec)
    recipe, named = load_training(options.recipe or "default", options.data, options.overrides, plugins)
    choice = named or choose_data("imagefolder", of_data, plugins)
    out = new_run_path(spec.name) if options.out is None else Path(options.out)
    check_new_run(out)
    data = choice.data.offer.make(choice.data, recipe.seed)
    from archspec.training import session as training

    device = training.choose_device(options.device)
    fitted = training.fit_head(spec, data)
    session = training.new_session(
        fitted, recipe, choice, data, plugins, out=out, command=sys.argv, device=device, workers=options.workers
    )
    _introduce(session, spec.head.classes)
    return session


def _resumed(options: TrainOptions, path: str, plugins: Plugins) -> Session:
    """The session of a run directory. Settings given again must be those of the run."""
    from archspec.training.changes import refuse_changes
    from archspec.training.recipe import load_data, load_training, split_overrides
    from archspec.training.run import open_run

    run = open_run(Path(path), plugins)
    if options.out is not None and Path(options.out).resolve() != run.path.resolve():
        raise RunError(f"`--resume {path}` goes on in its own directory, not in '{options.out}'")
    of_spec, _, of_data = split_overrides(options.overrides)
    of_spec.append(f"head.classes={len(run.classes)}")
    spec = load_spec(options.spec or run.path / "spec.yaml", of_spec, plugins=plugins)
    named = options.recipe or str(run.path / "recipe.yaml")
    recipe, given = load_training(named, options.data, options.overrides, plugins)
    choice = given or load_data(run.path / "data.yaml", of_data, plugins)
    refuse_changes(run, spec, recipe, choice)
    data = run.data.data.offer.make(run.data.data, run.recipe.seed)
    from archspec.training import session as training

    device = training.choose_device(options.device)
    session = training.resume_session(run, data, device=device, workers=options.workers)
    _introduce(session, len(run.classes))
    say("resumed", f"after epoch {session.trainer.epoch} of {run.recipe.epochs}")
    return session


def _introduce(session: Session, spec_classes: int) -> None:
    """Say what is about to happen, a line each."""
    from archspec.data.cached import StoredImages

    run, data, recipe, plan = session.run, session.data, session.run.recipe, session.trainer.network.plan
    size = "x".join(map(str, plan.input))
    say("run", str(run.path))
    say("network", f"{plan.name} at {size}: {plan.parameters:,} parameters, {human(plan.macs)} MACs")
    if spec_classes != len(data.classes):
        say("", f"the data has {len(data.classes)} classes and the spec {spec_classes:,}: the head follows the data")
    if plan.logits_end is not None:
        say("", "the head ends in softmax: training takes the logits before it")
    sizes = ", ".join(f"{split} {len(index):,}" for split, index in data.splits.items())
    root = f" {data.root}" if str(data.root) != data.name else ""
    say("data", f"{data.name}{root}: {sizes}; {len(data.classes)} classes")
    for note in data.notes:
        say("", note)
    optimizer, schedule = recipe.optimizer, recipe.schedule.offer.name
    rate = f" at {optimizer.lr:g}" if hasattr(optimizer, "lr") else ""
    method = f"{optimizer.offer.name}{rate}, {schedule}"
    say("recipe", f"{plural(recipe.epochs, 'epoch')}, batch {recipe.batch_size}, {method}, seed {recipe.seed}")
    trainer = session.trainer
    for what, loader in (("train", trainer.train_loader), ("validation", trainer.validation_loader)):
        if isinstance(loader.index.source, StoredImages):
            say("cache" if what == "train" else "", f"{what}: {_describe_store(loader.index.source.plan)}")
    say("device", f"{trainer.normalize.device}, {run.info.threads} threads, {_describe_loading(trainer)}")


def _describe_store(plan: StorePlan) -> str:
    """Where decoded images are kept, and how much that takes."""
    height, width, _ = plan.shapes.max(axis=0).tolist()
    size = f"{plan.bytes / 1e6:,.0f} MB for {len(plan.shapes):,} images of at most {width}x{height}"
    if plan.temporary:
        return f"{size}, in memory, for this run"
    return f"{size}, {'found' if plan.complete else 'kept'} in {plan.path}"


def _describe_loading(trainer: Trainer) -> str:
    """How images are read on this machine."""
    workers, device = trainer.train_loader.workers, trainer.normalize.device
    if not workers:
        return "images are read in between"
    pinned = ", pinned memory" if device.type == "cuda" else ""
    return f"{plural(workers, 'loader worker')} {2 * workers} batches ahead{pinned}"


def _run(session: Session) -> float | None:
    """Train to the end; returns the mean images per second."""
    from archspec.report.progress import TrainingProgress
    from archspec.training.loop import EpochResult
    from archspec.training.session import fit

    run = session.run
    if session.trainer.epoch >= run.recipe.epochs:
        say("complete", f"the run ended after {plural(run.recipe.epochs, 'epoch')}")
        return None
    speeds, waited, seconds = [], 0.0, 0.0
    try:
        with TrainingProgress(run.recipe.epochs) as progress:
            for result in fit(session):
                if isinstance(result, EpochResult):
                    speeds.append(result.images_per_second)
                    waited, seconds = waited + result.waited, seconds + result.seconds
                    progress.epoch(result, best=session.best is not None and session.best.epoch == result.epoch)
                else:
                    progress.step(result)
    except KeyboardInterrupt:
        resume = f"go on with: archspec train --resume {quote(str(run.path))}"
        kept = resume if run.last.is_dir() else "nothing is kept yet"
        say("", f"interrupted; {kept}")
        raise Exit(130) from None
    if session.best is not None:
        say("best", f"epoch {session.best.epoch}: validation {session.best.top1:.1%}, loss {session.best.loss:.3f}")
    if waited > _MUCH * seconds:
        cure = "more loader processes (--workers)" if run.recipe.cache != "none" else "`--set recipe.cache=disk`"
        say("", f"{waited / seconds:.0%} of the time went by waiting for images: {cure} may help")
    say("next", f"archspec eval {quote(str(run.path))}")
    return sum(speeds) / len(speeds)


def _document(session: Session, speed: float | None) -> dict[str, Any]:
    metrics, best = session.run.metrics(), session.best
    return {
        "run": str(session.run.path),
        "epochs": len(metrics),
        "best": {"epoch": best.epoch, "metrics": best.model_dump()} if best else None,
        "last": metrics[-1].model_dump() if metrics else None,
        "images_per_second": speed,
    }
