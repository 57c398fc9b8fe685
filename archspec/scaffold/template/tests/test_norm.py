"""The norm."""

from archspec.testing import Runner, check_norm


def test_it_keeps_its_promises() -> None:
    check_norm("$name")


def test_a_network_has_it(archspec_run: Runner) -> None:
    result = archspec_run("build", "resnet18", "--set", "defaults.norm=$name", "--json")
    assert result.code == 0, result.stderr
    assert result.json["output"] == [1000]


def test_a_freezing_policy_knows_it_as_a_norm(archspec_run: Runner) -> None:
    norm = ("--set", "defaults.norm=$name")
    result = archspec_run("freeze", "plan", "resnet18", "--freeze", "norm-only", *norm, "--json")
    assert result.code == 0, result.stderr
    assert result.json["phases"][0]["trains"] == ["norms of stem to stages.3", "head"]
