"""`archspec train`: a straight road from a spec and a data set to a run directory."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from archspec.cli.interrupts import Interrupts
from archspec.cli.output import device_option, json_option, not_empty, print_json, say, set_option, workers_option
from archspec.errors import RunError
from archspec.plan.budget import plan_within_budget
from archspec.plugins import Plugins
from archspec.report.words import plural
from archspec.spec.load import load_spec

if TYPE_CHECKING:
    from archspec.training.recipe import DataChoice, Recipe
    from archspec.training.results import EpochResult
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
    freeze: str | None
    device: str
    workers: int | None
    dry_run: bool
    other_versions: bool
    other_settings: bool


@click.command()
@click.argument("spec", required=False)
@click.option("--data", metavar="NAME[:ROOT]", help="The data set.  [default: the recipe's, or imagefolder: ./data]")
@click.option("--recipe", metavar="NAME|FILE", help="How to train.  [default: default]")
@click.option("--epochs", type=click.IntRange(1, 100_000), help="Passes over the training images.")
@click.option("--batch-size", type=click.IntRange(2, 65_536), help="Images in a step.")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="Learning rate at the schedule's peak.")
@click.option("--weights", metavar="FILE", callback=not_empty, help="Begin with these: a file, or a run.")
@click.option("--freeze", metavar="POLICY[:VALUE]", help="What trains when: head-only, until:stages.3, gradual:2, ...")
@click.option("--seed", type=click.IntRange(min=0, max=2**31 - 1), help="Of everything random.")
@click.option("--out", metavar="RUN", callback=not_empty, help="The run directory.  [default: runs/NAME-TIME]")
@click.option("--dry-run", is_flag=True, help="Say what the run will be, from a few steps that are measured.")
@click.option("--resume", metavar="RUN", callback=not_empty, help="Go on with a run from its last checkpoint.")
@click.option("--other-versions", is_flag=True, help="With --resume: go on with other versions of packages or plugins.")
@click.option("--other-settings", is_flag=True, help="With --resume: go on with another spec, recipe or data set.")
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
    weights: str | None,
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
    if epochs is not None:  # they take the place of the recipe's own length
        flags += ("recipe.steps=null", "recipe.time=null")
    if weights is not None:  # before what `--set` says of how they are taken
        overrides = (f"recipe.weights={json.dumps({'file': weights})}", *overrides)
    options = TrainOptions(overrides=(*overrides, *flags), **rest)
    if options.dry_run and options.resume is not None:
        raise click.UsageError("--dry-run is for a new run: the one of --resume has begun.")
    if options.other_versions and options.resume is None:
        raise click.UsageError("--other-versions is for a run that goes on: give --resume too.")
    if options.other_settings and options.resume is None:
        raise click.UsageError("--other-settings is for a run that goes on: give --resume too.")
    session = _new(options, plugins) if options.resume is None else _resumed(options, options.resume, plugins)
    if options.dry_run:
        _foretell(session, as_json=as_json)
        return
    speed = _run(session)
    if as_json:
        print_json(_document(session, speed))


def _new(options: TrainOptions, plugins: Plugins) -> Session:
    """From the command line to a session: each line hands its value to the next."""
    from archspec.data.opening import open_data
    from archspec.training.documents import choose_data, split_overrides
    from archspec.training.run import check_new_run, new_run_path

    if options.spec is None:
        raise click.UsageError("Missing argument 'SPEC' (or --resume RUN).")
    of_spec, _, of_data = split_overrides(options.overrides)
    spec = load_spec(options.spec, of_spec, plugins=plugins)
    plan_within_budget(spec)
    recipe, named = _training(options, options.recipe or "default", plugins)
    choice = named or choose_data("imagefolder", of_data, plugins)
    out = new_run_path(spec.name) if options.out is None else Path(options.out)
    check_new_run(out)
    data = open_data(choice.data, recipe.seed)
    from archspec.report.introduction import introduce
    from archspec.training import device as devices
    from archspec.training import session as training
    from archspec.training.switches import use_deterministic

    use_deterministic(recipe.deterministic)
    device = devices.choose_device(options.device)
    fitted = training.fit_head(spec, data)
    session = training.new_session(
        fitted,
        recipe,
        choice,
        data,
        out=out,
        command=sys.argv,
        device=device,
        workers=options.workers,
        measure=options.dry_run,
    )
    _say(introduce(session, spec.head.classes))
    return session


def _training(options: TrainOptions, recipe: str, plugins: Plugins) -> tuple[Recipe, DataChoice | None]:
    """The recipe, with the policy of `--freeze` in it, and the data set."""
    from archspec.finetuning.choice import read_freezing
    from archspec.training.documents import load_training

    if options.freeze is None:
        return load_training(recipe, options.data, options.overrides, plugins)
    of_policy = [override for override in options.overrides if override.startswith("recipe.freeze.")]
    rest = [override for override in options.overrides if override not in of_policy]
    loaded, choice = load_training(recipe, options.data, rest, plugins)
    policy = read_freezing(options.freeze, plugins, of_policy)
    return loaded.model_copy(update={"freeze": policy}), choice


def _resumed(options: TrainOptions, path: str, plugins: Plugins) -> Session:
    """The session of a run directory. Settings given again must be those of the run, unless told."""
    from archspec.data.opening import open_data
    from archspec.training.changes import refuse_changes, refuse_other_code
    from archspec.training.documents import load_data, split_overrides
    from archspec.training.exchange import current
    from archspec.training.run import open_run

    run = open_run(Path(path), plugins)
    if not options.other_versions:
        refuse_other_code(run)
    if options.out is not None and Path(options.out).resolve() != run.path.resolve():
        raise RunError(f"`--resume {path}` goes on in its own directory, not in '{options.out}'")
    of_spec, _, of_data = split_overrides(options.overrides)
    of_spec.append(f"head.classes={len(run.classes)}")
    spec = load_spec(options.spec or current(run.path, "spec.yaml"), of_spec, plugins=plugins)
    named = options.recipe or str(current(run.path, "recipe.yaml"))
    recipe, given = _training(options, named, plugins)
    choice = given or load_data(current(run.path, "data.yaml"), of_data, plugins)
    if not options.other_settings:
        refuse_changes(run, spec, recipe, choice)
    data = open_data(choice.data, recipe.seed)
    from archspec.report.introduction import describe_changes, introduce
    from archspec.training import device as devices
    from archspec.training.amendments import amend_run
    from archspec.training.resuming import resume_session
    from archspec.training.switches import use_deterministic

    use_deterministic(recipe.deterministic)
    device = devices.choose_device(options.device)
    known = len(run.info.changes)
    if options.other_settings:
        run = amend_run(run, spec, recipe, choice, data)
    session = resume_session(run, data, device=device, workers=options.workers)
    _say(introduce(session, len(run.classes)))
    _say(describe_changes(run.info.changes[known:]))
    say("resumed", _place(session))
    return session


def _foretell(session: Session, *, as_json: bool) -> None:
    """Say what the run will be. Nothing is written."""
    from archspec.report.forecast import describe_forecast
    from archspec.training.forecast import run_seconds

    forecast, trainer = session.forecast, session.trainer
    assert forecast is not None, "a new session has a forecast"
    _say(describe_forecast(session, forecast))
    if as_json:
        steps = {"steps": trainer.total_steps, "epochs": trainer.epochs, "steps_per_epoch": trainer.steps_per_epoch}
        seconds = {"run_seconds": run_seconds(trainer, forecast.phases)}
        print_json({"dry_run": True, **steps, **seconds, **dataclasses.asdict(forecast)})


def _place(session: Session) -> str:
    done, trainer = session.trainer.progress, session.trainer
    within = f", and batch {done.batch:,} of {len(trainer.train_loader):,} of the next" if done.batch else ""
    return f"after epoch {done.epoch} of {trainer.epochs}{within}"


def _say(lines: Iterable[tuple[str, str]]) -> None:
    for heading, text in lines:
        say(heading, text)


def _run(session: Session) -> float | None:
    """Train to the end; returns the mean images per second."""
    from archspec.report.watch import watch
    from archspec.training.keeping import fit
    from archspec.training.results import EpochResult

    if session.ended:
        say("complete", f"the run ended after {plural(session.trainer.progress.epoch, 'epoch')}")
        return None
    epochs: list[EpochResult] = []
    try:
        with watch(session) as (tell, notice), Interrupts(lambda: notice(_HEARD)) as interrupts:
            for result in fit(session, stop=lambda: interrupts.received is not None):
                tell(result)
                if isinstance(result, EpochResult):
                    epochs.append(result)
    except KeyboardInterrupt:
        _say_kept(session)
        raise Exit(130) from None
    if interrupts.received is not None and not session.ended:
        _say_kept(session)
        raise Exit(interrupts.exit_code)
    _conclude(session, epochs)
    return sum(result.images_per_second for result in epochs) / len(epochs)


_HEARD = "interrupted: this step is kept, and is the last; again ends at once"


def _say_kept(session: Session) -> None:
    path = session.run.path
    kept = f"go on with: archspec train --resume {quote(str(path))}"
    say("", f"interrupted; {kept if session.run.last.is_dir() else 'nothing is kept yet'}")


def _conclude(session: Session, epochs: list[EpochResult]) -> None:
    """Say what came of it, a line each."""
    run, best = session.run, session.best
    if not session.trainer.finished:
        say("stopped", f"early: {plural(session.waiting, 'evaluation')} were no better than the best")
    if best is not None:
        balanced = f", balanced {best.balanced:.1%}" if run.recipe.best_by == "balanced" else ""
        say("best", f"epoch {best.epoch}: validation {best.top1:.1%}{balanced}, loss {best.loss:.3f}")
    if session.proved:
        say("frozen", f"{session.proved:,} numbers are what the run began with, to the bit")
    waited, seconds = (sum(getattr(result, name) for result in epochs) for name in ("waited", "seconds"))
    if waited > _MUCH * seconds:
        cure = "more loader processes (--workers)" if run.recipe.cache != "none" else "`--set recipe.cache=disk`"
        say("", f"{waited / seconds:.0%} of the time went by waiting for images: {cure} may help")
    say("next", f"archspec eval {quote(str(run.path))}")


def _document(session: Session, speed: float | None) -> dict[str, Any]:
    metrics, best = session.run.metrics(), session.best
    return {
        "run": str(session.run.path),
        "epochs": len(metrics),
        "best": {"epoch": best.epoch, "metrics": best.model_dump()} if best else None,
        "last": metrics[-1].model_dump() if metrics else None,
        "images_per_second": speed,
    }
