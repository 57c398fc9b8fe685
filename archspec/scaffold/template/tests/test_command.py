"""The command."""

from archspec.testing import Runner, check_command


def test_it_keeps_its_promises() -> None:
    check_command("$name")


def test_it_prints_a_line_for_each_layer(archspec_run: Runner) -> None:
    result = archspec_run("$name", "resnet18", "--set", "head.classes=10")
    assert result.code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "layer,parameters,macs"
    assert lines[-1] == "head.linear,5130,5120"
