"""`archspec lora-merge RUN OUT`: a run's weights, with its adapters merged into them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from archspec.errors import RunError

if TYPE_CHECKING:
    from archspec import Plugins, Run


@click.command("lora-merge")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Of the run."
)
@click.pass_obj
def merge(plugins: Plugins, run: Path, out: Path, checkpoint: str) -> None:
    """Write the weights of RUN, which trained with `freeze: lora`, to OUT as safetensors without adapters.

    OUT has the tensors of the run's spec: `archspec train SPEC --weights OUT` and `archspec export` take it.
    """
    if out.suffix != ".safetensors" or out.exists():
        what = "is there already" if out.exists() else "must end in .safetensors"
        raise RunError(f"'{out}' {what}", help="name another file")
    from archspec import open_run

    merge_run(open_run(run, plugins), out, checkpoint)
    click.echo(f"merged    {out}")


def merge_run(run: Run, out: Path, checkpoint: str = "best") -> None:
    """Write the weights of a run's checkpoint, its adapters merged into them, whole or not at all.

    Raises:
        ArchspecError: the run has no adapters or no such checkpoint, or OUT cannot be written.

    """
    from safetensors.torch import save

    from archspec import Exported, compile_network, load_weights, plan_network
    from archspec_lora import LoraOptions, rewrite
    from archspec_lora.modules import merged_state

    options = run.recipe.freeze
    if not isinstance(options, LoraOptions):
        raise RunError(f"the run '{run.path}' has no adapters", help="train one with `--freeze lora`")
    plan = plan_network(run.spec)
    adapted = compile_network(rewrite(options, plan))
    load_weights(adapted, run.path / "checkpoints" / checkpoint)
    state = {name: tensor.contiguous() for name, tensor in merged_state(adapted).items()}
    known = Exported(compile_network(plan, state=state), plan, run.spec, run.classes, run.info.preprocessing)
    writing = out.with_name(f".{out.name}.writing")
    try:
        writing.write_bytes(save(state, {"format": "pt", **known.metadata()}))  # `save_file` writes for the owner alone
        writing.rename(out)
    except OSError as error:
        raise RunError(f"'{out}' cannot be written: {error.strerror}", help="name another file") from error
    finally:
        with suppress(OSError):  # of a folder that is a file
            writing.unlink(missing_ok=True)
