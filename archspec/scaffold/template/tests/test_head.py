"""The head."""

from archspec.testing import Runner, check_head


def test_it_keeps_its_promises() -> None:
    check_head("$name")


def test_a_network_has_it(archspec_run: Runner) -> None:
    head = "head={type: $name, classes: 10}"
    result = archspec_run("build", "resnet18", "--set", head, "--json")
    assert result.code == 0, result.stderr
    assert result.json["output"] == [10]
