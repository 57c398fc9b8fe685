"""A freezing policy that adds parameters: low-rank adapters on convolutions, from a run's begin to its use."""

import pytest
import torch
from safetensors.torch import load_file

import archspec
from archspec import Plugins, load_spec
from archspec.errors import PluginError, RunError
from archspec.finetuning.policy import plan_under
from archspec.testing import check_freezing_policy
from archspec.training.amendments import amend_run
from archspec.training.documents import choose_data, load_recipe
from archspec.training.inference import Classifier
from archspec.training.keeping import fit
from archspec.training.resuming import resume_session
from archspec.training.run import open_run
from archspec.training.session import fit_head, new_session

SOURCE = """
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from archspec import FreezingOptions, Offer, hookimpl
from archspec.plan.operations import Conv, Linear


@dataclass(frozen=True)
class Adapted(Conv):
    rank: int = 1
    maker: ClassVar[str] = "MODULE:adapted"

    def parameters(self):
        own = super().parameters()
        shape = own["weight"]
        return {**own, "down": (self.rank, *shape[1:]), "up": (shape[0], self.rank, 1, 1)}


def adapted(operation):
    import torch
    from archspec.network.layers import conv

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            plain = conv(operation)
            self.plain = [plain]
            self.weight = plain.weight
            shape = operation.parameters()
            self.down = torch.nn.Parameter(0.01 * torch.randn(shape["down"]))
            self.up = torch.nn.Parameter(torch.zeros(shape["up"]))

        def forward(self, x):
            added = (self.up.flatten(1) @ self.down.flatten(1)).view_as(self.weight)
            weight, padding = self.weight + added, operation.kernel // 2
            return torch.nn.functional.conv2d(x, weight, stride=operation.stride, padding=padding)

    return Module()


class LowRank(FreezingOptions):
    rank: int = 2


def rewrite(options, plan):
    steps = []
    for step in plan.steps:
        if type(step.operation) is Conv and step.name.startswith("stages") and step.operation.kernel == 3:
            values = {field.name: getattr(step.operation, field.name) for field in fields(Conv)}
            step = replace(step, operation=Adapted(**values, rank=options.rank))
        steps.append(step)
    return replace(plan, steps=tuple(steps))


def make(options, plan):
    heads = [step for step in plan.steps if isinstance(step.operation, Linear)]
    names = [f"{step.name}.{name}" for step in heads for name in ("weight", "bias")]
    names += [name for name, _, trained in plan.tensors() if name.endswith((".down", ".up"))]
    treatments = options.treatments(plan, dict.fromkeys(names, 1.0))
    return lambda epoch: treatments


def drops(options, plan):
    return replace(plan, steps=plan.steps[:-1])


@hookimpl
def archspec_freezing_policies():
    return {
        "low-rank": Offer(LowRank, make, "adapters", rewrite=rewrite),
        "drops": Offer(LowRank, make, "drops a step", rewrite=drops),
        "none-at-all": Offer(LowRank, make, rewrite=lambda options, plan: None),
        "fails": Offer(LowRank, make, rewrite=lambda options, plan: 1 / 0),
    }
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"plugin_rewriting_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(SOURCE.replace("MODULE", name))
    return name


@pytest.fixture
def plugins(module):
    return Plugins([module], installed=False)


@pytest.fixture
def data(photos, plugins):
    choice = choose_data(f"imagefolder:{photos}", (), plugins)
    return choice, choice.data.offer.make(choice.data, 0)


@pytest.fixture
def new(plugins, data, spec_file, tmp_path):
    def make(*overrides, out="run"):
        settings = ["epochs=2", "batch_size=16", "freeze={type: low-rank}", *overrides]
        recipe = load_recipe("default", [f"recipe.{override}" for override in settings], plugins)
        place = {"out": tmp_path / out, "command": [], "device": torch.device("cpu"), "workers": 0}
        return new_session(fit_head(load_spec(spec_file), data[1]), recipe, *data, **place)

    return make


@pytest.fixture
def weights(spec_file, tmp_path):
    """A file of the spec's own network, without adapters."""
    from safetensors.torch import save_file

    network = archspec.build_network(load_spec(spec_file, ["head.classes=3"]))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    return network.state_dict(), tmp_path / "weights.safetensors"


NAME = "stages.0.0.conv1"


def test_a_run_trains_what_the_policy_added_and_keeps_the_rest(new, weights, tmp_path):
    before, file = weights
    session = new(f"weights={{file: {file}}}")
    assert torch.equal(session.trainer.network.state_dict()[f"{NAME}.weight"], before[f"{NAME}.weight"])
    list(fit(session))
    after = session.trainer.network.state_dict()
    assert torch.equal(after[f"{NAME}.weight"], before[f"{NAME}.weight"])
    assert after[f"{NAME}.up"].any()
    saved = load_file(tmp_path / "run/checkpoints/last/model.safetensors")
    assert f"{NAME}.up" in saved
    assert f"{NAME}.weight" not in saved  # it lies in the file of what the run never changes
    assert session.proved


def test_it_resumes_and_is_used_with_what_was_added(new, plugins, data, tmp_path):
    list(fit(new(out="whole")))
    done = iter(range(1, 100))
    list(fit(new(), stop=lambda: next(done) == 3))
    run = open_run(tmp_path / "run", plugins)
    list(fit(resume_session(run, data[1], device=torch.device("cpu"), workers=0)))
    for name in ("last/model.safetensors", "last/training.safetensors"):
        one, other = (tmp_path / out / "checkpoints" / name for out in ("whole", "run"))
        assert one.read_bytes() == other.read_bytes(), name
    classifier = Classifier(run, "last", "cpu")
    assert f"{NAME}.up" in classifier.network.state_dict()


def test_it_is_exported_with_what_was_added(new, cli_run, module, tmp_path):
    session = new()
    list(fit(session))
    command = ("-p", module, "export", tmp_path / "run", "--checkpoint", "last", "--to")
    code, _, err = cli_run(*command, "safetensors", "--out", tmp_path / "x.safetensors")
    assert code == 0, err
    assert "the freezing policy 'low-rank' added parameters, which a spec alone does not describe" in err
    exported, trained = load_file(tmp_path / "x.safetensors"), session.trainer.network.state_dict()
    assert exported[f"{NAME}.up"].any()
    assert exported.keys() == trained.keys()
    assert all(torch.equal(exported[name], trained[name]) for name in trained)
    code, _, err = cli_run(*command, "torch-export", "--out", tmp_path / "x.pt2")
    assert code == 0, err
    images = torch.randn(3, 3, 16, 16)
    with torch.no_grad():
        made = torch.export.load(tmp_path / "x.pt2").module()(images)
        torch.testing.assert_close(made, session.trainer.network.eval()(images))


def test_other_adapters_do_not_fit_the_checkpoint(new, plugins, data, tmp_path):
    list(fit(new()))
    run = open_run(tmp_path / "run", plugins)
    freeze = load_recipe("default", ["recipe.freeze={type: low-rank, rank: 3}"], plugins).freeze
    other = run.recipe.model_copy(update={"freeze": freeze})
    with pytest.raises(RunError, match="another spec does not fit the checkpoint"):
        amend_run(run, run.spec, other, run.data, data[1])


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("drops", "so that its steps have other names, or another number: it may only add parameters"),
        ("none-at-all", "must rewrite a plan to an archspec.Plan, not None"),
        ("fails", "'fails' among freezing_policies of .* fails: ZeroDivisionError"),
    ],
)
def test_a_policy_that_does_more_than_add_is_refused(plugins, spec_file, policy, message):
    freeze = load_recipe("default", [f"recipe.freeze={{type: {policy}}}"], plugins).freeze
    with pytest.raises(PluginError, match=message):
        plan_under(freeze, load_spec(spec_file))


def test_the_check_of_policies_takes_one_that_adds(plugins):
    check_freezing_policy("low-rank", plugins=plugins, cases=2)


def test_freeze_plan_shows_what_is_added(cli_run, module, spec_file):
    code, out, err = cli_run("-p", module, "freeze", "plan", spec_file, "--freeze", "low-rank", "--epochs", 3)
    assert code == 0, err
    assert "low-rank" in out
