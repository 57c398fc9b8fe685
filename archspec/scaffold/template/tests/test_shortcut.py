"""The shortcut."""

from archspec.testing import Runner, check_shortcut


def test_it_keeps_its_promises() -> None:
    check_shortcut("$name")


def test_a_network_has_it(archspec_run: Runner) -> None:
    result = archspec_run("build", "resnet18", "--set", "defaults.shortcut=$name", "--json")
    assert result.code == 0, result.stderr
    assert result.json["output"] == [1000]
