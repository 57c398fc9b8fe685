"""The catalogue of broken specs: each error message, exactly. ARCHSPEC_UPDATE_GOLDEN=1 rewrites it.

Files in `broken/base` are not cases of their own: a case may extend them.
"""

from pathlib import Path

import pytest

import archspec
from archspec.errors import DocumentError
from archspec.plan.budget import plan_within_budget
from archspec.plugins import Plugins

BROKEN = Path(__file__).parent / "broken"
NAMES = sorted(file.stem for file in BROKEN.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_spec_is_explained(monkeypatch, compare_with_golden, name):
    monkeypatch.chdir(BROKEN)
    with pytest.raises(DocumentError) as caught:
        plan_within_budget(archspec.load_spec(f"{name}.yaml", plugins=Plugins(installed=False)))
    compare_with_golden(BROKEN / f"{name}.txt", caught.value.render() + "\n")


def test_every_expected_message_has_its_spec():
    assert {file.stem for file in BROKEN.glob("*.txt")} <= set(NAMES)
    assert len(NAMES) >= 60
