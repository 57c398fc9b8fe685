"""The norm."""

from archspec.testing import Runner, check_norm


def test_it_keeps_its_promises() -> None:
    check_norm("$name")


def test_a_network_has_it(archspec_run: Runner) -> None:
    result = archspec_run("build", "resnet18", "--set", "defaults.norm=$name", "--json")
    assert result.code == 0, result.stderr
    assert result.json["output"] == [1000]
