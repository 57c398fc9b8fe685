"""Plans, and the policies of the short form, without what other packages offer."""

import pytest

import archspec
from archspec import Plugins
from archspec.finetuning.choice import read_freezing
from archspec.finetuning.policy import make_policy

PLUGINS = Plugins(installed=False)


@pytest.fixture(scope="session")
def plan_of():
    """The plan of a spec of the zoo, with overrides."""
    plans = {}

    def plan(name, *overrides):
        key = (name, overrides)
        if key not in plans:
            plans[key] = archspec.plan_network(archspec.load_spec(name, overrides, plugins=PLUGINS))
        return plans[key]

    return plan


@pytest.fixture(scope="session")
def policy_of():
    """The policy of `NAME[:VALUE]` for a plan."""

    def policy(text, plan, *overrides, epochs=30):
        return make_policy(read_freezing(text, PLUGINS, overrides), plan, epochs)

    return policy


@pytest.fixture(scope="session")
def read():
    return lambda text, *overrides: read_freezing(text, PLUGINS, overrides)
