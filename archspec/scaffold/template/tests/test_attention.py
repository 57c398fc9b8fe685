"""The attention."""

from archspec.testing import Runner, check_attention


def test_it_keeps_its_promises() -> None:
    check_attention("$name")


def test_a_network_has_it(archspec_run: Runner) -> None:
    result = archspec_run("build", "resnet18", "--set", "defaults.attention=$name", "--json")
    assert result.code == 0, result.stderr
    assert result.json["output"] == [1000]
