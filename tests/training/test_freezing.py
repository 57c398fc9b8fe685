"""Training with a freezing policy: what is frozen stays, norms do what they are told, and a resume is exact."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archspec.errors import RunError
from archspec.finetuning.parts import fold_prefix, set_training, tail_of, treat
from archspec.network.compile import compile_network
from archspec.training.checkpoint import read_checkpoint
from archspec.training.keeping import fit
from archspec.training.results import EpochResult, StepResult
from archspec.training.resuming import resume_session
from archspec.weights.files import frozen_file

GRADUAL = "freeze={type: gradual, every: 1}"
POLICIES = {
    "head-only": "freeze=head-only",
    "until": "freeze={type: until, stage: stages.1}",
    "gradual": GRADUAL,
    "lp-ft": "freeze={type: lp-ft, probe: 1}",
    "norm-only": "freeze=norm-only",
    "layer-decay": "freeze=layer-decay",
    "patterns": "freeze={type: patterns, freeze: [stages.0.*]}",
}


def tensors(network):
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def run(session, most=10_000):
    """The run's results, so many at most."""
    seen = itertools.count(1)
    return list(fit(session, stop=lambda: next(seen) >= most))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_frozen_parameter_is_never_moved_and_one_that_trains_is(session_of, policy, optimizer):
    """Weight decay and momentum would move it too; here it thaws and freezes by the policy's own epochs."""
    session = session_of("epochs=3", "batch_size=16", f"optimizer={optimizer}", POLICIES[policy])
    trainer = session.trainer
    before, names = tensors(trainer.network), dict(trainer.network.named_parameters())
    for result in fit(session):
        if isinstance(result, EpochResult):
            after = tensors(trainer.network)
            treatments = trainer.freezing.phase(result.epoch - 1).treatments
            moved = {name for name in names if not torch.equal(before[name], after[name])}
            assert moved == {name for name in names if treatments[name].trains}
            before = after


def test_a_weight_that_is_frozen_again_is_not_moved_by_its_momentum(session_of):
    """No built-in policy freezes what trained before; a plugin's may."""
    session = session_of("epochs=3", "batch_size=16", "optimizer={type: sgd, momentum: 0.9}", GRADUAL)
    trainer = session.trainer
    phases = trainer.freezing.phases
    backwards = tuple(
        phase.__class__(**{**vars(phase), "start": other.start, "stop": other.stop})
        for phase, other in zip(reversed(phases), phases, strict=True)
    )
    object.__setattr__(trainer.freezing, "phases", backwards)
    before = tensors(trainer.network)
    for result in fit(session):
        if isinstance(result, EpochResult):
            after = tensors(trainer.network)
            for name, treatment in backwards[result.epoch - 1].treatments.items():
                assert treatment.trains or torch.equal(before[name], after[name]), name
            before = after


def test_rates_are_the_schedules_times_the_policys_scale(session_of):
    session = session_of("epochs=2", "batch_size=16", "schedule=constant", "warmup_epochs=0", "freeze=layer-decay")
    trainer = session.trainer
    treatments = trainer.freezing.phase(0).treatments
    next(fit(session))
    names = {id(parameter): name for name, parameter in trainer.network.named_parameters()}
    for group in trainer.optimizer.param_groups:
        for parameter in group["params"]:
            assert group["lr"] == pytest.approx(0.002 * treatments[names[id(parameter)]].scale)
    assert len({group["lr"] for group in trainer.optimizer.param_groups}) > 2


@pytest.mark.parametrize("bn", ["eval", "batch", "update"])
def test_each_mode_of_a_frozen_norm_is_what_it_says(session_of, bn):
    network = session_of("epochs=1").trainer.network
    plan, x = network.plan, torch.randn(8, 3, 24, 24)
    session = session_of("epochs=1", f"freeze={{type: head-only, bn: {bn}}}", out="other")
    treatments = session.trainer.freezing.phase(0).treatments
    treat(network, treatments)
    set_training(network, treatments)
    name = next(step.name for step in plan.steps if step.name.endswith("norm"))
    norm, seen = network.get_submodule(name), []
    norm.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0], output.clone())))
    mean, count = norm.running_mean.clone(), int(norm.num_batches_tracked)
    network(x)
    inside, outside = seen[0]
    batch_mean, batch_variance = inside.mean((0, 2, 3)), inside.var((0, 2, 3), unbiased=False)
    used = (mean, norm.running_var) if bn == "eval" else (batch_mean, batch_variance)
    weight, bias = norm.weight[:, None, None], norm.bias[:, None, None]
    scale = (used[1][:, None, None] + norm.eps).rsqrt()
    assert torch.allclose(outside, (inside - used[0][:, None, None]) * scale * weight + bias, atol=1e-4)
    moved = 0.9 * mean + 0.1 * batch_mean if bn == "update" else mean
    assert torch.allclose(norm.running_mean, moved, atol=1e-6)
    assert int(norm.num_batches_tracked) == count + (bn == "update")


@pytest.mark.parametrize("cut", ["stages.0", "stages.1", "head", "head.linear"])
def test_behind_a_folded_prefix_logits_and_gradients_are_the_whole_networks(session_of, cut):
    network = session_of("epochs=1").trainer.network
    for step in network.plan.steps:  # statistics as after training
        if step.operation.buffers():
            nn.init.uniform_(network.get_submodule(step.name).running_mean, -0.5, 0.5)
            nn.init.uniform_(network.get_submodule(step.name).running_var, 0.5, 2)
    whole, x, labels = copy.deepcopy(network).eval(), torch.randn(8, 3, 24, 24), torch.arange(8) % 3
    prefix, tail = fold_prefix(network, cut, torch.channels_last), tail_of(network, cut).eval()
    features = prefix(x)
    assert not features.requires_grad
    assert torch.allclose(tail(features), whole(x), atol=1e-4)
    F.cross_entropy(whole(x), labels).backward()
    F.cross_entropy(tail(features), labels).backward()
    expected = dict(whole.named_parameters())
    compared = 0
    for name, parameter in network.named_parameters():  # the tail's are the network's own
        if parameter.grad is not None:
            assert torch.allclose(parameter.grad, expected[name].grad, atol=1e-4), name
            compared += 1
    assert compared == len(list(tail.parameters()))


@pytest.mark.parametrize("features", ["none", "memory", "disk"])
@pytest.mark.parametrize("average", ["null", "0.9"])
def test_a_gradual_run_resumed_at_every_epoch_and_within_is_the_run_that_was_not_stopped(
    session_of, tmp_path, monkeypatch, features, average
):
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "cache"))
    settings = ("epochs=4", "batch_size=12", GRADUAL, f"features={features}", "mirror=true", f"average={average}")
    whole = session_of(*settings, out="whole")
    run(whole)
    session, most = session_of(*settings, out="cut"), 1
    while not session.ended:
        run(session, most)
        session, most = resume_session(session.run, session.data, device=torch.device("cpu"), workers=0), most + 1
        session.lock.release(force=True)
    for name in ("model.safetensors", "training.safetensors"):
        assert (whole.run.last / name).read_bytes() == (session.run.last / name).read_bytes()
    assert (whole.run.path / "metrics.jsonl").read_bytes() == (session.run.path / "metrics.jsonl").read_bytes()


def test_what_never_changes_is_written_once_and_a_checkpoint_is_read_with_it(session_of):
    session = session_of("epochs=2", "batch_size=16", "freeze={type: until, stage: head}")
    began = tensors(session.trainer.network)
    results = run(session)
    state = read_checkpoint(session.run.last)[1]
    assert {name: value.shape for name, value in state.items()} == {name: value.shape for name, value in began.items()}
    assert all(torch.equal(value, state[name]) for name, value in began.items() if not name.startswith("head."))
    small, large = session.run.last / "model.safetensors", frozen_file(session.run.path, session.frozen.sha256)
    assert small.stat().st_size < large.stat().st_size
    assert session.proved == sum(value.numel() for name, value in began.items() if not name.startswith("head."))
    assert any(isinstance(result, StepResult) for result in results)
    whole = compile_network(session.trainer.network.plan, state=state)
    assert torch.equal(whole.get_submodule("head.linear").weight, session.trainer.network.head.linear.weight)


def test_a_frozen_tensor_that_changed_is_told_at_the_end(session_of):
    session = session_of("epochs=1", "batch_size=16", "freeze=head-only")
    running = fit(session)
    next(running)
    with torch.no_grad():
        session.trainer.network.get_submodule("stem.conv").weight[0, 0, 0, 0] += 1e-6
    with pytest.raises(RunError, match=r"'stem\.conv\.weight' was frozen, and has changed"):
        list(running)


def test_a_damaged_file_of_frozen_tensors_is_refused(session_of):
    session = session_of("epochs=1", "batch_size=16", "freeze=head-only")
    run(session)
    path = frozen_file(session.run.path, session.frozen.sha256)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match="is damaged: its SHA-256"):
        read_checkpoint(session.run.best)
    path.unlink()
    with pytest.raises(RunError, match="has no frozen"):
        read_checkpoint(session.run.best)


@pytest.mark.parametrize("features", ["none", "memory"])
def test_what_trains_behind_a_prefix_is_compiled_once_a_phase(session_of, monkeypatch, features):
    """Compiled anew, each epoch would take minutes; left out, `compile` would do nothing."""
    compiled = []

    def compile_it(module):
        calls = []
        compiled.append(calls)
        module.register_forward_hook(lambda *_: calls.append(1))
        return module

    monkeypatch.setattr(torch, "compile", compile_it)
    settings = ("epochs=3", "batch_size=16", "freeze=head-only", f"features={features}")
    session = session_of(*settings, "compile=true")
    compiled.clear()
    steps = [result for result in fit(session) if isinstance(result, StepResult)]
    assert len(compiled) == 1
    assert len(compiled[0]) >= len(steps)


def test_the_proof_is_told(train_new, tmp_path):
    code, said, _ = train_new("--epochs", 1, "--freeze", "head-only", "--out", tmp_path / "run")
    assert code == 0
    assert "numbers are what the run began with, to the bit" in said
