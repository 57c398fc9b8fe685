"""The stem."""

from archspec.testing import Runner, check_stem


def test_it_keeps_its_promises() -> None:
    check_stem("$name")


def test_a_network_has_it(archspec_run: Runner) -> None:
    result = archspec_run("build", "resnet18", "--set", "stem={type: $name}", "--json")
    assert result.code == 0, result.stderr
    assert result.json["output"] == [1000]
