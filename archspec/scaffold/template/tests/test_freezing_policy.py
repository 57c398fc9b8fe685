"""The freezing policy."""

from archspec.testing import Runner, check_freezing_policy


def test_it_keeps_its_promises() -> None:
    check_freezing_policy("$name")


def test_a_plan_is_frozen_by_it(archspec_run: Runner) -> None:
    result = archspec_run("freeze", "plan", "resnet18", "--freeze", "$name:1", "--json")
    assert result.code == 0, result.stderr
