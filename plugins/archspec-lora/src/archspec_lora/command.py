"""`archspec lora-merge RUN OUT`: a run's weights, with its adapters merged into them."""

from __future__ import annotations

from pathlib import Path

import rich_click as click
import yaml

from archspec import compile_network, load_spec, load_weights, plan_network
from archspec.errors import RunError


@click.command("lora-merge")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def merge(run: Path, out: Path) -> None:
    """Write the weights of RUN, which trained with `freeze: lora`, to OUT as safetensors without adapters.

    OUT has the tensors of the run's spec: `archspec train SPEC --weights OUT` and `archspec weights` take it.
    """
    merge_run(run, out)
    click.echo(f"merged    {out}")


def merge_run(run: Path, out: Path) -> None:
    """Write a run's weights, its adapters merged into them.

    Raises:
        ArchspecError: it is no run, or it has no adapters, or OUT is there or cannot be written.

    """
    from safetensors.torch import save_file

    from archspec_lora import LoraOptions, rewrite
    from archspec_lora.modules import merged_state

    if out.suffix != ".safetensors" or out.exists():
        what = "is there already" if out.exists() else "must end in .safetensors"
        raise RunError(f"'{out}' {what}", help="name another file")
    try:
        freeze = yaml.safe_load((run / "recipe.yaml").read_text())["freeze"]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise RunError(f"'{run}' is no run: its recipe.yaml cannot be read: {error}") from error
    if not isinstance(freeze, dict) or freeze.get("type") != "lora":
        raise RunError(f"the run '{run}' has no adapters", help="train one with `--freeze lora`")
    options = LoraOptions(**{key: value for key, value in freeze.items() if key != "type"})
    network = compile_network(rewrite(options, plan_network(load_spec(run / "spec.yaml"))))
    load_weights(network, run)
    writing = out.with_name(f".{out.name}.writing")
    try:
        save_file({name: tensor.contiguous() for name, tensor in merged_state(network).items()}, writing)
        writing.rename(out)
    except OSError as error:
        writing.unlink(missing_ok=True)
        raise RunError(f"'{out}' cannot be written: {error.strerror}") from error
