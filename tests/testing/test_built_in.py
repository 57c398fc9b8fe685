"""Every built-in offer passes the check that an author of a plugin is given."""

import random

import pytest
import torch

import archspec.testing
from archspec import Plugins
from archspec.hookspecs import KINDS
from archspec.offers import singular

PLUGINS = Plugins(installed=False)
CHECKS = {
    "blocks": archspec.testing.check_block,
    "stems": archspec.testing.check_stem,
    "heads": archspec.testing.check_head,
    "attentions": archspec.testing.check_attention,
    "norms": archspec.testing.check_norm,
    "activations": archspec.testing.check_activation,
    "shortcuts": archspec.testing.check_shortcut,
    "optimizers": archspec.testing.check_optimizer,
    "schedules": archspec.testing.check_schedule,
    "losses": archspec.testing.check_loss,
    "freezing_policies": archspec.testing.check_freezing_policy,
}
REQUIRED = {"until": {"stage": "stages.1"}, "patterns": {"freeze": ["stem.*", "stages.[01].*"]}}
"""Options that hold text."""
OFFERS = [(kind, name) for kind in CHECKS for name in PLUGINS.offers(kind)]


@pytest.mark.parametrize(("kind", "name"), OFFERS, ids=[f"{kind}-{name}" for kind, name in OFFERS])
def test_a_built_in_offer_passes(kind, name):
    CHECKS[kind](name, plugins=PLUGINS, options=REQUIRED.get(name))


@pytest.mark.parametrize(("kind", "name", "seed"), [("attentions", "eca", 4), ("blocks", "inverted", 10)])
def test_what_is_no_fault_passes(kind, name, seed):
    """A gate in saturation; an even kernel that grows the map only behind the first block."""
    CHECKS[kind](name, plugins=PLUGINS, seed=seed)


def test_the_public_names_are_sorted_and_complete():
    """Each kind has its check; the runner of commands is the rest."""
    checks = [f"check_{singular(kind).replace(' ', '_')}" for kind in KINDS]
    assert archspec.testing.__all__ == sorted(["RunResult", "Runner", *checks])
    assert {check.__name__ for check in CHECKS.values()} <= set(checks)


def test_an_unknown_offer_is_the_callers_error():
    with pytest.raises(archspec.errors.PluginError, match=r"unknown block 'basci'; did you mean 'basic'\?"):
        archspec.testing.check_block("basci", plugins=PLUGINS)


def test_random_numbers_and_threads_are_as_if_nothing_was_checked():
    before = torch.get_rng_state(), random.getstate(), torch.get_num_threads()
    archspec.testing.check_activation("relu", plugins=PLUGINS, cases=2)
    with pytest.raises(AssertionError):
        archspec.testing.check_activation("relu", plugins=PLUGINS, cases=2, options={"slope": 1})
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), torch.get_num_threads()) == before[1:]
