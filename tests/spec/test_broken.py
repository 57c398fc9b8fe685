"""The catalogue of broken specs: each error message, exactly. ARCHSPEC_UPDATE_GOLDEN=1 rewrites it.

Files in `broken/base` are not cases of their own: a case may extend them. A first line `# --set path=value` is an
override that the case is loaded with.
"""

from pathlib import Path

import pytest

import archspec
from archspec.errors import DocumentError
from archspec.plan.budget import plan_within_budget
from archspec.plugins import Plugins

BROKEN = Path(__file__).parent / "broken"
NAMES = sorted(file.stem for file in BROKEN.glob("*.yaml"))


def overrides_of(name):
    first = (BROKEN / f"{name}.yaml").read_bytes().partition(b"\n")[0]
    return [first.removeprefix(b"# --set ").decode()] if first.startswith(b"# --set ") else []


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_spec_is_explained(monkeypatch, compare_with_golden, name):
    monkeypatch.chdir(BROKEN)
    with pytest.raises(DocumentError) as caught:
        plan_within_budget(archspec.load_spec(f"{name}.yaml", overrides_of(name), plugins=Plugins(installed=False)))
    compare_with_golden(BROKEN / f"{name}.txt", caught.value.render() + "\n")


def test_every_expected_message_has_its_spec():
    assert {file.stem for file in BROKEN.glob("*.txt")} <= set(NAMES)
    assert len(NAMES) >= 100
