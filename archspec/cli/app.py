"""The `archspec` command: finds the subcommand's file, and turns every error into a message and an exit code."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import rich_click as click

from archspec import __version__
from archspec.cli.output import fail
from archspec.errors import ArchspecError
from archspec.plugins import Plugins, closest, plugins_for

_COMMANDS = {
    "check": "archspec.cli.check:check",
    "build": "archspec.cli.build:build",
    "show": "archspec.cli.show:show",
    "schema": "archspec.cli.schema:schema",
    "freeze": "archspec.cli.freeze:freeze",
    "train": "archspec.cli.train:train",
    "eval": "archspec.cli.evaluate:evaluate",
    "predict": "archspec.cli.predict:predict",
    "data": "archspec.cli.data:data",
    "weights": "archspec.cli.weights:weights",
    "recipes": "archspec.cli.recipes:recipes",
    "rule": "archspec.cli.rule:rule",
    "plugins": "archspec.cli.plugins:plugins",
}


class _LazyGroup(click.RichGroup):
    """Imports a subcommand's file when it is asked for, so that `check` does not pay for `train`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            match = closest(args[0], _COMMANDS)
            hint = f"Did you mean '{match}'?" if match else f"Commands: {', '.join(_COMMANDS)}."
            ctx.fail(f"No such command '{args[0]}'. {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-p", "plugins", multiple=True, metavar="MODULE", help="Load a plugin module; no:NAME blocks a plugin.")
@click.version_option(__version__, prog_name="archspec")
@click.pass_context
def archspec(ctx: click.Context, plugins: tuple[str, ...]) -> None:
    """One YAML file that describes a residual network becomes a checked plan, a PyTorch module, a trained model."""
    ctx.obj = plugins_for(plugins)
    report_problems(ctx.obj)


def report_problems(plugins: Plugins) -> None:
    """A plugin that cannot be loaded breaks no command that does without it; one line says so."""
    for plugin in plugins.problems:
        click.echo(
            f"warning: plugin '{plugin.name}' of {plugin.origin} was not loaded: {plugin.problem}\n"
            f"   help: block it with `archspec -p no:{plugin.name}`, or see `archspec plugins list`",
            err=True,
        )


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        code = archspec.main(arguments, prog_name="archspec", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as usage:
        usage.show()
        return 2
    except ArchspecError as error:
        fail(error, arguments)
        return 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return 130
    except OSError as error:
        if error.filename is not None:  # a file's errors are told where the file is known
            raise
        click.echo(f"error: the output cannot be written: {error.strerror}", err=True)
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  # or Python tries again as it leaves
        return 1
    return code if isinstance(code, int) else 0  # what `Exit(code)` ended with
