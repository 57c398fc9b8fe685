"""The sample data."""

from archspec.testing import Runner, check_sample


def test_it_keeps_its_promises() -> None:
    check_sample("$name")


def test_it_can_be_written(archspec_run: Runner) -> None:
    result = archspec_run("data", "sample", "$name", "photos", "--json")
    assert result.code == 0, result.stderr
    assert result.json["splits"] == {"train": 80, "validation": 40, "test": 40}
