"""`check_command`: a sound command passes, and every promise that one can break is found."""

import pytest

import archspec
from archspec.testing import check_command

SOURCE = """
import click
from archspec import Offer, Options, hookimpl

@click.command()
@click.option("--times", default=1, help="How often.")
def sound(times):
    '''Count.'''
    import torch
    click.echo(str(torch.arange(times)))

@click.group()
def group():
    '''Several.'''

@group.command()
@click.option("--loud", is_flag=True)
def say(loud):
    '''Say it.'''

@click.command()
def silent():
    pass

@click.command()
@click.option("--times", default=1)
def unsaid(times):
    '''Count.'''

@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("rest", nargs=-1)
def takes_all(rest):
    '''Take anything.'''

@click.command()
def leaves():
    '''Leave.'''

class Loose(click.Command):
    def get_help(self, ctx):
        import torchvision
        return "help"

def needs_one(net):
    pass

class More(Options):
    times: int = 1

@hookimpl
def archspec_commands():
    made = {
        "sound": sound, "group": group, "silent": silent, "unsaid": unsaid, "takes-all": takes_all, "Loud_name": sound,
        "heavy": Loose("heavy", help="Import much."),
    }
    offers = {name: Offer(Options, lambda command=command: command, "does it") for name, command in made.items()}
    offers["needs-one"] = Offer(Options, needs_one, "does it")
    offers["none"] = Offer(Options, lambda: None, "does it")
    offers["more"] = Offer(More, lambda: sound, "does it")
    offers["summed"] = Offer(Options, lambda: sound)
    return offers
"""
FAULTS = {
    "group": "the option '--loud' of 'say' needs a `help`",
    "silent": "it says nothing in `--help`: its function needs a docstring",
    "unsaid": "its option '--times' needs a `help`",
    "takes-all": "`archspec takes-all --no-such-option-of-any-command` ends with 0, and wrong usage with 2",
    "Loud_name": "its name must be small letters and digits",
    "heavy": "its `--help` imports torch: import it in the function that the command calls",
    "needs-one": "making it fails: TypeError: needs_one",
    "none": "`make` must return a click.Command, not None",
    "more": "its options are click's own",
    "summed": "it needs a `summary`",
}


@pytest.fixture
def plugins(plugins_of):
    return plugins_of(SOURCE, header="")


def test_a_sound_command_passes(plugins):
    check_command("sound", plugins=plugins)


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_command_is_found(plugins, name):
    with pytest.raises(AssertionError) as caught:
        check_command(name, plugins=plugins)
    message = str(caught.value)
    assert message.startswith(f"command '{name}' of plugin_")
    assert FAULTS[name] in message


def test_a_name_that_archspec_has_itself_is_not_listed(plugins_of):
    taken = plugins_of(SOURCE.replace('"sound": sound', '"check": sound'), header="")
    with pytest.raises(
        AssertionError,
        match=r"does not list it: error: .* offers the command 'check', which is left out: that name is built in",
    ):
        check_command("check", plugins=taken)


def test_there_is_no_such_command(plugins):
    with pytest.raises(archspec.errors.PluginError, match="unknown command 'sond'; did you mean 'sound'"):
        check_command("sond", plugins=plugins)
