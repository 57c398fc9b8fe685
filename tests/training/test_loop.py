"""The loop against one written by hand, and what else a run must keep to."""

import contextlib
import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.transforms import v2

import archspec
from archspec.data.randomness import INIT, SAMPLE, epoch_order, seed_for
from archspec.errors import RunError
from archspec.training.keeping import fit
from archspec.training.results import EpochResult, StepResult
from archspec.training.session import logits_network


def results(session):
    found = list(fit(session))
    steps = [result for result in found if isinstance(result, StepResult)]
    return steps, [result for result in found if isinstance(result, EpochResult)]


def hand_written(run, photos, *, epochs, batch_size, lr, seed):
    """A loop on torch alone; archspec gives the network and the seeds. Returns each step's loss, and the weights."""
    images = [
        (path, label) for label, name in enumerate(run.classes) for path in sorted((photos / "train" / name).glob("*"))
    ]
    torch.manual_seed(seed_for(INIT, seed))
    network = archspec.compile_network(archspec.plan_network(run.spec)).to(memory_format=torch.channels_last)
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    groups = [{"params": weights, "weight_decay": 1e-4}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True, fused=True)
    augment = v2.Compose(
        [v2.RandomResizedCrop(16, scale=(0.5, 1.0), ratio=(3 / 4, 4 / 3)), v2.RandomHorizontalFlip(0.5)]
    )
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    scale = (1 / (255 * std)).view(1, 3, 1, 1)
    steps = math.ceil(len(images) / batch_size)
    warmup = min(steps, epochs * steps // 10)
    losses, step = [], 0
    for epoch in range(epochs):
        network.train()
        for positions in epoch_order(len(images), seed, epoch).split(batch_size):
            pixels = []
            for position in positions.tolist():
                torch.manual_seed(seed_for(SAMPLE, seed, epoch, position))
                pixels.append(np.asarray(augment(Image.open(images[position][0]).convert("RGB"))))
            batch = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float()
            batch = torch.addcmul(-mean.view(1, 3, 1, 1) * 255 * scale, batch, scale)
            labels = torch.tensor([images[position][1] for position in positions.tolist()])
            falling = (1 + math.cos(math.pi * (step - warmup) / (epochs * steps - warmup))) / 2
            for group in optimizer.param_groups:
                group["lr"] = lr * ((step + 1) / (warmup + 1) if step < warmup else falling)
            loss = F.cross_entropy(network(batch), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            step += 1
    return losses, network.state_dict()


def test_two_epochs_are_bit_for_bit_those_of_a_loop_written_by_hand(session_of, photos):
    optimizer = "optimizer={type: sgd, lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 1e-4}"
    session = session_of("epochs=2", "batch_size=16", optimizer, "seed=7")
    steps, epochs = results(session)
    losses, state = hand_written(session.run, photos, epochs=2, batch_size=16, lr=0.05, seed=7)
    assert [step.loss.item() for step in steps] == losses
    trained = session.trainer.network.state_dict()
    assert set(trained) == set(state)
    assert all(torch.equal(trained[name], state[name]) for name in state)
    assert [epoch.step for epoch in epochs] == [4, 8]


def test_an_epochs_figures_are_means_over_its_images(session_of):
    """63 images in batches of 20: the last batch has three."""
    steps, (epoch,) = results(session_of("epochs=1", "batch_size=20"))
    assert [step.images for step in steps] == [20, 20, 20, 3]
    assert epoch.train_loss == pytest.approx(sum(step.loss.item() * step.images for step in steps) / 63)
    assert epoch.train_top1 == pytest.approx(sum(step.correct.item() for step in steps) / 63)
    assert [(step.batch, step.batches, step.step) for step in steps] == [(n, 4, n) for n in (1, 2, 3, 4)]
    assert epoch.validation.images == 21


def test_the_network_learns_and_the_best_epoch_is_kept(session_of):
    session = session_of("epochs=6", "batch_size=16", "loss.smoothing=0")
    _, epochs = results(session)
    assert epochs[-1].train_loss < 0.6 * epochs[0].train_loss
    best = max(epochs, key=lambda epoch: (epoch.validation.top1, -epoch.validation.loss))
    assert session.best.epoch == best.epoch
    manifest = json.loads((session.run.best / "manifest.json").read_text())
    assert manifest["progress"]["epoch"] == best.epoch
    assert manifest["metrics"]["top1"] == best.validation.top1


def test_a_run_depends_on_its_seed(session_of):
    losses = [
        [step.loss.item() for step in results(session_of("epochs=1", f"seed={seed}", out=f"{number}"))[0]]
        for number, seed in enumerate((1, 1, 2))
    ]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_dropout_draws_by_seed_and_step(session_of):
    """What was drawn before the run must not matter."""
    found = []
    for number in range(2):
        torch.manual_seed(number)
        torch.rand(number)
        steps, _ = results(session_of("epochs=1", spec_overrides=["head.dropout=0.5"], out=f"{number}"))
        found.append([step.loss.item() for step in steps])
    assert found[0] == found[1]


def test_a_head_that_ends_in_softmax_trains_on_the_logits(session_of):
    with_softmax = session_of("epochs=2", spec_overrides=["head.softmax=true"], out="softmax")
    assert not torch.allclose(with_softmax.trainer.network.eval()(torch.randn(2, 3, 16, 16)).sum(1), torch.ones(2))
    plain = session_of("epochs=2", out="plain")
    assert [step.loss.item() for step in results(with_softmax)[0]] == [step.loss.item() for step in results(plain)[0]]
    assert with_softmax.run.spec.head.softmax


def test_the_logits_are_what_the_softmax_is_taken_of(session_of):
    spec = session_of("epochs=1", spec_overrides=["head.softmax=true"]).run.spec
    torch.manual_seed(3)
    whole = archspec.build_network(spec).eval()
    logits = logits_network(spec, whole.state_dict()).eval()
    images = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(logits(images).softmax(1), whole(images))


@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_every_precision_learns_on_a_cpu_and_keeps_its_weights_in_float32(session_of, precision):
    session = session_of("epochs=4", "batch_size=16", f"precision={precision}")
    _, epochs = results(session)
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert {value.dtype for value in session.trainer.network.state_dict().values()} <= {torch.float32, torch.int64}
    assert not list(session.run.path.rglob("*.writing"))


def test_a_lower_precision_is_really_used(session_of):
    losses = [
        results(session_of("epochs=1", f"precision={name}", out=name))[0][0].loss.item() for name in ("float32", "bf16")
    ]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_nothing(session_of):
    session = session_of("epochs=3", "optimizer.lr=1e30")
    with pytest.raises(RunError, match=r"the loss is (nan|inf) at step \d+ \(epoch 1, batch \d\)") as caught:
        results(session)
    assert "--lr" in caught.value.help
    assert not session.run.path.exists()


def test_metrics_are_json_that_any_reader_takes(session_of):
    """A validation loss may be beyond all numbers where the training loss is not yet: NaN is no JSON."""

    def refuse(constant):
        raise AssertionError(f"metrics.jsonl holds {constant}")

    session = session_of("epochs=2", "batch_size=63", "optimizer.lr=1e19")
    with contextlib.suppress(RunError):
        results(session)
    lines = (session.run.path / "metrics.jsonl").read_text().splitlines() if session.run.path.exists() else []
    for line in lines:
        json.loads(line, parse_constant=refuse)


def test_memory_layout_can_be_turned_off_and_changes_nothing_but_the_last_bits(session_of):
    losses = [
        results(session_of("epochs=1", f"channels_last={on}", out=on))[0][-1].loss.item() for on in ("true", "false")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
