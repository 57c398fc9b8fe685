"""`archspec export`: a trained network as a file for other programs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from archspec.cli.output import check_target, json_option, not_empty, print_json, say
from archspec.errors import ExportError, RunError
from archspec.export.choice import read_exporter
from archspec.paths import is_file, is_folder
from archspec.plugins import Plugins
from archspec.report.words import human
from archspec.spec.load import load_spec
from archspec.spec.zoo import zoo_names

if TYPE_CHECKING:
    from archspec.export.exported import Exported
    from archspec.export.write import Written


@click.command()
@click.argument("source")
@click.option(
    "--to", "exporter", required=True, metavar="NAME", callback=not_empty, help="safetensors, torch-export, ..."
)
@click.option(
    "--out", metavar="FILE", callback=not_empty, help="[default: SOURCE's name and the exporter's suffix, here]"
)
@click.option("--weights", metavar="FILE", callback=not_empty, help="Of a spec, its weights: a file, or a run.")
@click.option("--checkpoint", type=click.Choice(["best", "last"]), help="Of a run, which weights.  [default: best]")
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Change an option: --set export.batch=8.")
@json_option
@click.pass_obj
def export(
    plugins: Plugins,
    source: str,
    exporter: str,
    out: str | None,
    weights: str | None,
    checkpoint: str | None,
    force: bool,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the network of SOURCE, a run, or a spec with `--weights`, by an exporter.

    `--set` reaches the exporter's options (`export.batch=8`) and a spec (`head.classes=10`). An exporter that can
    run its file does so, and the outputs are compared with the network's: a file that differs is not kept.
    """
    of_exporter = [override for override in overrides if override.startswith("export.")]
    of_spec = [override for override in overrides if override not in of_exporter]
    options = read_exporter(exporter, of_exporter, plugins)
    target = Path(out) if out is not None else Path(f"{_name(source)}{options.suffix}")
    check_target(target, f"{_name(source)}{options.suffix}")
    if is_file(target) and not force:
        raise ExportError(f"'{target}' exists already", help="name another file with --out, or add --force")
    if _is_run(source):
        _refuse_on_run(weights, of_spec)
        exported = _of_run(source, checkpoint or "best", plugins)
    else:
        exported = _of_spec(source, weights, checkpoint, of_spec, plugins)
    from archspec.export.write import write_export

    written = write_export(options, exported, target)
    if as_json:
        print_json({"ok": True, "errors": [], "source": source, "exporter": options.offer.name, **_record(written)})
    else:
        click.echo(f"wrote {target}: {_size(written.bytes)}; {_proof(written)}")


def _name(source: str) -> str:
    """What a file of this source is called, without its suffix: a zoo's name may have a dot in it."""
    path = Path(source).resolve()
    return path.stem if path.suffix in (".yaml", ".yml") else path.name


def _is_run(source: str) -> bool:
    """Whether the source is to be a run directory. A name of the zoo is a spec, whatever folders there are."""
    return is_folder(source) and (source not in zoo_names() or is_file(Path(source) / "run.json"))


def _refuse_on_run(weights: str | None, of_spec: Iterable[str]) -> None:
    if weights is not None:
        raise click.UsageError("--weights is for a spec: a run has its own, and --checkpoint says which.")
    for override in of_spec:
        raise click.UsageError(f"of a run, --set reaches the exporter's options (export.…) only, not '{override}'.")


def _of_run(source: str, checkpoint: str, plugins: Plugins) -> Exported:
    from archspec.training.run import open_run

    run = open_run(Path(source), plugins)
    from archspec.export.sources import export_of_run

    freeze = run.recipe.freeze.offer
    if freeze.rewrite is not None:
        say("note", f"the freezing policy '{freeze.name}' added parameters, which a spec alone does not describe")
    return export_of_run(run, checkpoint)


def _of_spec(
    source: str, weights: str | None, checkpoint: str | None, of_spec: Iterable[str], plugins: Plugins
) -> Exported:
    if weights is None and not is_file(source) and source not in zoo_names():
        help = "`archspec train` makes a run directory and prints its name; a spec is a file, or a name of the zoo"
        raise RunError(f"there is no run directory and no spec '{source}'", help=help)
    spec = load_spec(source, of_spec, plugins=plugins)
    if checkpoint is not None:
        raise click.UsageError(f"--checkpoint is for a run, and '{source}' is a spec.")
    if weights is None:
        raise click.UsageError(f"'{source}' is a spec, which has no weights: give --weights FILE, or name a run.")
    from archspec.export.sources import export_of_weights

    return export_of_weights(spec, weights)


def _record(written: Written) -> dict[str, object]:
    found = written.comparison
    proof = None if found is None else {key: found.record()[key] for key in ("images", "absolute", "relative")}
    return {"output": str(written.path), "bytes": written.bytes, "sha256": written.sha256, "difference": proof}


def _size(count: int) -> str:
    """`45.3 MB`, `14 B`."""
    return f"{human(count)}B" if count >= 1_000 else f"{count} B"


def _proof(written: Written) -> str:
    found = written.comparison
    if found is None:
        return "its exporter cannot run it, so nothing was compared"
    return f"run again, its outputs differ by {found.absolute:.2g} at most, of up to {found.scale:.2g}"
