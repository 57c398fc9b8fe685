"""The `archspec` command: finds the subcommand's file, and turns every error into a message and an exit code."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import rich_click as click
from click.exceptions import Exit

from archspec import __version__
from archspec.cli.output import fail
from archspec.errors import ArchspecError, PluginError, printable
from archspec.plugins import Plugins, Problem, closest, plugins_for
from archspec.plugins.blame import blame

COMMANDS = {
    "check": "archspec.cli.check:check",
    "build": "archspec.cli.build:build",
    "show": "archspec.cli.show:show",
    "schema": "archspec.cli.schema:schema",
    "freeze": "archspec.cli.freeze:freeze",
    "train": "archspec.cli.train:train",
    "eval": "archspec.cli.evaluate:evaluate",
    "predict": "archspec.cli.predict:predict",
    "export": "archspec.cli.export:export",
    "data": "archspec.cli.data:data",
    "weights": "archspec.cli.weights:weights",
    "recipes": "archspec.cli.recipes:recipes",
    "rule": "archspec.cli.rule:rule",
    "plugins": "archspec.cli.plugins:plugins",
}


class _LazyGroup(click.RichGroup):
    """Imports a subcommand's file when it is asked for, so that `check` does not pay for `train`.

    Plugins are imported for a command that is not built in, and for the list of all.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        plugins = _plugins(ctx)
        return [*COMMANDS, *(name for name in plugins.offers("commands") if _is_made(plugins, name))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return _of_plugin(_plugins(ctx), cmd_name)
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            plugins = _plugins(ctx)
            if plugins.get("commands", args[0]) is None:
                known = [*COMMANDS, *plugins.offers("commands")]
                match = closest(args[0], known)
                hint = f"Did you mean '{match}'?" if match else f"Commands: {', '.join(known)}."
                ctx.fail(f"No such command '{args[0]}'. {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ArchspecError, click.ClickException, Exit, click.Abort, KeyboardInterrupt):
            raise
        except BaseException as error:  # of a plugin, too: some libraries' errors are no Exception
            if isinstance(error, SystemExit) and ctx.invoked_subcommand not in COMMANDS:
                raise  # a plugin's own command may end so
            told = None if _is_of_output(error) else blame(error, _plugins(ctx).plugins)
            if told is None:
                raise
            raise told from error


def _is_of_output(error: BaseException) -> bool:
    """Whether standard output is at fault, as where a pipe was closed: a file's errors name the file."""
    return isinstance(error, OSError) and error.filename is None


def _plugins(ctx: click.Context) -> Plugins:
    """The plugins of this command line, the same ones for all who ask."""
    if ctx.obj is None:
        ctx.obj = plugins_for(ctx.params.get("plugins", ()), reserved={"commands": COMMANDS}, warn=_warn)
    found: Plugins = ctx.obj
    return found


def _of_plugin(plugins: Plugins, name: str) -> click.Command | None:
    offer = plugins.get("commands", name)
    if offer is None:
        return None
    command = offer.make()
    if not isinstance(command, click.Command):
        raise PluginError(f"'{name}' among commands of {offer.origin} must make a click.Command, not {command!r}")
    command.name, command.short_help = name, offer.summary or command.short_help
    return command


def _is_made(plugins: Plugins, name: str) -> bool:
    """Whether a plugin's command can be listed; a line says why it cannot."""
    try:
        _of_plugin(plugins, name)
    except ArchspecError as error:
        click.echo(f"warning: {printable(error.message)}", err=True)
        return False
    return True


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-p",
    "plugins",
    multiple=True,
    metavar="MODULE",
    is_eager=True,  # before --help, which lists the commands of plugins
    help="Load a plugin module; no:NAME blocks a plugin.",
)
@click.version_option(__version__, prog_name="archspec")
@click.pass_context
def archspec(ctx: click.Context, plugins: tuple[str, ...]) -> None:
    """One YAML file that describes a residual network becomes a checked plan, a PyTorch module, a trained model."""
    _plugins(ctx)


def _warn(problem: Problem) -> None:
    """A plugin that is broken breaks no command that does without it; one line says so."""
    click.echo(f"warning: {printable(problem.message)}\n   help: {printable(problem.help)}", err=True)


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
