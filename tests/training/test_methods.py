"""What a recipe may ask of the loop, each against a calculation of its own."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from archspec.data.randomness import balanced_order
from archspec.errors import DocumentError, RunError
from archspec.training import loop
from archspec.training.checkpoint import read_checkpoint
from archspec.training.evaluation import Evaluation
from archspec.training.keeping import fit, save
from archspec.training.loop import train_step
from archspec.training.optimization import class_weights, moving_average
from archspec.training.results import EpochResult, StepResult
from archspec.training.run import create_run

WITHOUT_BATCH_NORM = ("defaults.norm={type: group, groups: 4}",)


def results(session):
    found = list(fit(session))
    return [r for r in found if isinstance(r, StepResult)], [r for r in found if isinstance(r, EpochResult)]


def test_a_run_of_so_many_steps_ends_within_an_epoch(session_of):
    """63 images, 16 in a batch: 4 steps an epoch, and the third ends after two."""
    session = session_of("steps=10", "batch_size=16")
    steps, epochs = results(session)
    assert [step.step for step in steps] == list(range(1, 11))
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
    assert [epoch.step for epoch in epochs] == [4, 8, 10]
    assert epochs[-1].train_loss == pytest.approx(sum(s.loss.item() * s.images for s in steps[8:]) / 32)
    assert session.ended
    assert session.run.info.steps == 10


def test_accumulated_gradients_are_those_of_the_large_batch(session_of):
    """4 batches of 8 and one of 31 or less: with no batch norm, the same network up to rounding."""
    options = ["epochs=2", "optimizer={type: sgd, lr: 0.1}", "augmentation=none"]
    large = session_of(*options, "batch_size=32", spec_overrides=WITHOUT_BATCH_NORM, out="large")
    small = session_of(*options, "batch_size=8", "accumulate=4", spec_overrides=WITHOUT_BATCH_NORM, out="small")
    (one, first), (other, second) = results(large), results(small)
    assert [step.images for step in one] == [step.images for step in other] == [32, 31, 32, 31]
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a.loss, b.loss, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(a.gradient_norm, b.gradient_norm, rtol=1e-3, atol=1e-6)
    assert first[0].train_top1 == second[0].train_top1
    for a, b in zip(large.trainer.network.parameters(), small.trainer.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_a_long_gradient_is_shortened_and_its_length_is_that_before(session_of):
    session = session_of("epochs=1", "batch_size=63", "clip_norm=0.01", "optimizer={type: sgd, lr: 1, momentum: 0}")
    network = session.trainer.network
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    (step,), _ = results(session)
    squares = sum(parameter.grad.square().sum().item() for parameter in network.parameters())
    assert math.sqrt(squares) == pytest.approx(0.01, rel=1e-3)
    assert step.gradient_norm.item() > 0.1
    moved = {n: (p.detach() - before[n]) / step.lr for n, p in network.named_parameters() if p.ndim == 1}
    for name, parameter in network.named_parameters():
        if name in moved:
            torch.testing.assert_close(moved[name], -parameter.grad, rtol=1e-3, atol=1e-6)


def test_the_average_follows_the_network_by_hand():
    torch.manual_seed(0)
    network = torch.nn.BatchNorm1d(3)
    average = moving_average(network, 0.95)
    expected = None
    for step in range(30):
        with torch.no_grad():
            network.weight.copy_(torch.randn(3))
        network(torch.randn(5, 3))
        values = {name: value.detach().clone() for name, value in network.state_dict().items()}
        average.update_parameters(network)
        decay = min(0.95, (1 + step) / (10 + step))
        if expected is None:
            expected = values
        else:
            for name in ("weight", "bias", "running_mean", "running_var"):
                expected[name] = decay * expected[name] + (1 - decay) * values[name]
    for name, value in expected.items():
        if name != "num_batches_tracked":
            torch.testing.assert_close(average.module.state_dict()[name], value)
    assert average.module.num_batches_tracked == 30


def test_the_average_is_what_is_evaluated_and_kept(session_of, train):
    session = session_of("epochs=2", "average=0.9")
    results(session)
    from safetensors.torch import load_file

    kept = load_file(session.run.last / "model.safetensors")
    average = session.trainer.average.module.state_dict()
    assert all(torch.equal(kept[name], average[name]) for name in average)
    live = session.trainer.network.state_dict()
    assert any(not torch.equal(kept[name], live[name]) for name in live)
    state = load_file(session.run.last / "training.safetensors")
    assert all(torch.equal(state[f"network/{name}"], live[name]) for name in live)


def test_class_weights_are_the_inverse_of_the_classes_images():
    labels = np.array([0] * 6 + [1] * 3 + [2] * 1)
    weights = class_weights(labels, 3)
    torch.testing.assert_close(weights, torch.tensor([10 / 18, 10 / 9, 10 / 3]))
    assert weights[torch.from_numpy(labels)].mean() == pytest.approx(1.0)


def test_a_balanced_loss_weighs_each_class(session_of):
    """With two thirds of two classes left out, a batch of the whole split has the loss that is calculated here."""
    session = session_of("epochs=1", "batch_size=63", "class_balance=loss", "loss.smoothing=0", "warmup_epochs=0")
    from archspec.training.session import balanced_loss

    network, trainer = session.trainer.network, session.trainer
    labels = trainer.train_loader.index.labels
    labels[:14], labels[21:28] = 2, 2
    trainer.loss = balanced_loss(session.run.recipe, session.data, torch.device("cpu"))
    (batch,) = trainer.train_loader.epoch(0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    log = F.log_softmax(network.train()(trainer.normalize(batch.images)), 1)
    counts = batch.labels.bincount()
    assert counts.tolist() == [7, 14, 42]
    wanted = -(63 / (3 * counts[batch.labels]) * log[torch.arange(63), batch.labels]).mean()
    network.load_state_dict(before)
    (step,), _ = results(session)
    torch.testing.assert_close(step.loss, wanted.detach())


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_a_balanced_order_shows_each_class_as_often(epoch):
    labels = np.array([0] * 50 + [1] * 7 + [2] * 2)
    positions, times = balanced_order(labels, 3, epoch)
    assert len(positions) == len(labels)
    assert sorted(np.bincount(labels[positions.numpy()]).tolist()) == [19, 20, 20]
    for label, own in ((1, range(50, 57)), (2, (57, 58))):
        counts = [int((positions == place).sum()) for place in own]
        assert max(counts) - min(counts) <= 1, label
    for place in positions.unique():
        assert sorted(times[positions == place].tolist()) == list(range(int((positions == place).sum())))
    again = balanced_order(labels, 3, epoch)
    assert torch.equal(again[0], positions)
    assert not torch.equal(balanced_order(labels, 3, epoch + 1)[0], positions)


def test_an_image_that_comes_again_in_an_epoch_is_augmented_anew(session_of):
    session = session_of("epochs=1", "class_balance=sampler", "batch_size=63")
    loader = session.trainer.train_loader
    loader.index.labels[:] = 0
    loader.index.labels[0] = 1  # one image makes half of the epoch
    (batch,) = loader.epoch(0)
    own = batch.images[batch.positions == 0]
    assert len(own) in (31, 32)
    assert len({image.numpy().tobytes() for image in own}) > 20


def test_inputs_grow_over_the_run(session_of):
    session = session_of("epochs=10", "batch_size=63", "sizes=[{until: 0.25, size: 8}, {until: 0.5, size: 12}]")
    loader = session.trainer.train_loader
    sizes = [tuple(next(iter(loader.epoch(epoch))).images.shape[2:]) for epoch in range(10)]
    assert sizes == [(8, 8)] * 3 + [(12, 12)] * 2 + [(16, 16)] * 5
    _, epochs = results(session)
    assert len(epochs) == 10


def test_evaluation_every_so_many_epochs_and_at_the_end(session_of):
    session = session_of("epochs=5", "evaluate_every=2")
    _, epochs = results(session)
    assert [epoch.validation is not None for epoch in epochs] == [False, True, False, True, True]
    lines = [json.loads(line) for line in (session.run.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["top1"] is not None for line in lines] == [False, True, False, True, True]
    assert session.best.epoch in (2, 4, 5)


def test_a_run_that_gets_no_better_ends_early(session_of):
    session = session_of("epochs=50", "early_stopping=3", "optimizer={type: sgd, lr: 1e-12}", "best_by=loss")
    for group in session.trainer.optimizer.param_groups:
        group["lr"] = 0.0
    session.trainer.peak_lrs = [0.0, 0.0]
    losses = iter([3.0, 3.5, 2.0, 2.5, 2.0, 4.0, 1.0])
    evaluate = loop.evaluate

    def told(*arguments):
        found = evaluate(*arguments)
        return dataclasses.replace(found, loss=next(losses))

    loop.evaluate = told
    try:
        _, epochs = results(session)
    finally:
        loop.evaluate = evaluate
    assert len(epochs) == 6
    assert session.best.epoch == 3
    assert session.ended
    assert not session.trainer.finished


@pytest.mark.parametrize(("best_by", "best"), [("top1", 1), ("balanced", 2), ("loss", 3)])
def test_the_best_epoch_is_chosen_by_the_figure_that_the_recipe_names(session_of, monkeypatch, best_by, best):
    figures = iter([(0.9, 0.5, 1.2), (0.8, 0.7, 1.1), (0.7, 0.6, 1.0), (0.9, 0.7, 1.3)])  # ties have a larger loss

    def told(*arguments):
        top1, balanced, loss = next(figures)
        return Evaluation(top1=top1, top5=1.0, loss=loss, images=21, balanced=balanced)

    monkeypatch.setattr(loop, "evaluate", told)
    session = session_of("epochs=4", f"best_by={best_by}")
    results(session)
    assert session.best.epoch == best
    assert read_checkpoint(session.run.best)[0].progress.epoch == best
    assert [metrics.balanced for metrics in session.run.metrics()] == [0.5, 0.7, 0.6, 0.7]


@pytest.mark.parametrize("of", ["loss", "gradient"])
def test_what_is_not_finite_ends_the_run_with_its_images_and_keeps_the_checkpoint(session_of, of):
    session = session_of("epochs=3", "batch_size=32")
    training = fit(session)
    while not (isinstance(result := next(training), EpochResult) and result.epoch == 2):
        pass
    kept = (session.run.last / "model.safetensors").read_bytes()
    parameter = next(session.trainer.network.parameters())
    if of == "loss":
        parameter.data.fill_(math.nan)
    else:
        parameter.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(RunError) as caught:
        next(training)
    assert "is nan at step 5 (epoch 3, batch 1)" in caught.value.message or "is inf" in caught.value.message
    assert str(session.data.root) in caught.value.message
    assert "and 24 more" in caught.value.message
    assert (session.run.last / "model.safetensors").read_bytes() == kept


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["steps=5", "time=1m"], "both `steps` and `time`"),
        (["time=half an hour"], "time"),
        (["sizes=[{until: 0.5, size: 12}, {until: 0.3, size: 8}]"], "do not rise"),
        (["average=1"], "average"),
        (["accumulate=0"], "accumulate"),
    ],
)
def test_a_wrong_setting_is_told(recipe, overrides, said):
    with pytest.raises(DocumentError) as caught:
        recipe(*overrides)
    assert said in caught.value.render()


def test_a_checkpoint_counts_the_steps_that_nobody_looked_at_yet(session_of):
    """On a GPU, losses are looked at once in twenty steps."""
    session = session_of("epochs=1", "batch_size=16")
    create_run(session.run)
    trainer = session.trainer
    trainer.network.train()
    batches = trainer.train_loader.epoch(0)
    trainer.begin_epoch()
    trainer.pending += [train_step(trainer, [next(batches)]) for _ in range(3)]
    assert trainer.progress.images == 0
    save(session)
    kept = read_checkpoint(session.run.last)[0].progress
    assert (kept.images, kept.step, kept.batch) == (48, 3, 3)
    assert kept.loss > 0


def test_a_run_killed_in_its_last_evaluation_evaluates_when_it_goes_on(train, spec_file, photos, tmp_path, monkeypatch):
    arguments = [spec_file, "--data", f"imagefolder:{photos}", "--epochs", 2, "--set", "recipe.checkpoint_steps=1"]
    assert train(*arguments, "--out", tmp_path / "whole")[0] == 0
    evaluate, calls = loop.evaluate, []

    def die(*given):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(*given)

    monkeypatch.setattr(loop, "evaluate", die)
    assert train(*arguments, "--out", tmp_path / "run")[0] == 130
    monkeypatch.undo()
    code, said, document = train("--resume", tmp_path / "run")
    assert code == 0, said
    assert document["epochs"] == 2
    for name in ("metrics.jsonl", "checkpoints/last/model.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
