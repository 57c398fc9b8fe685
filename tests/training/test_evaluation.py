"""Accuracies and loss of a network whose answers are known."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from archspec.data.folder import open_folder
from archspec.data.loader import Loader
from archspec.data.preprocessing import Preprocessing
from archspec.data.reading import Reading
from archspec.data.transforms import Normalize
from archspec.training.device import compute_dtype
from archspec.training.evaluation import evaluate


class Answers(nn.Module):
    """Gives the rows of a table in turn, whatever it sees; dropout in it would change them in training mode."""

    def __init__(self, table):
        super().__init__()
        self.table, self.given = table, 0

    def forward(self, images):
        assert not self.training
        self.given += len(images)
        return self.table[self.given - len(images) : self.given]


def measure(table, photos, batch_size, split="val"):
    index = open_folder(photos, 0.15, 0.15, 0).splits[{"val": "validation"}.get(split, split)]
    return evaluate_index(table, index, batch_size), index.labels


def evaluate_index(table, index, batch_size):
    settings = Preprocessing(channels=3, size=(4, 4), crop=1.0, mean=(0.5,) * 3, std=(0.5,) * 3)
    loader = Loader(index, Reading(3), lambda image: np.asarray(image)[:4, :4], batch_size=batch_size)
    return evaluate(Answers(table), loader, Normalize(settings, torch.device("cpu")), None)


@pytest.mark.parametrize("batch_size", [4, 21, 50])
@pytest.mark.parametrize("classes", [3, 4, 5, 9])
def test_figures_are_means_over_the_images_whatever_the_batches(photos, classes, batch_size):
    """21 images: the last batch of 4 has one image, which must not weigh more than the others."""
    table = torch.randn(21, classes, generator=torch.Generator().manual_seed(classes))
    found, labels = measure(table, photos, batch_size)
    scores = table.double().numpy()
    ranks = (scores > scores[np.arange(21), labels][:, None]).sum(1)
    losses = np.log(np.exp(scores).sum(1)) - scores[np.arange(21), labels]
    assert found.images == 21
    assert found.top1 == pytest.approx((ranks < 1).mean())
    assert found.top5 == pytest.approx((ranks < 5).mean())
    assert found.loss == pytest.approx(losses.mean(), rel=1e-5)
    guesses = scores.argmax(1)
    assert found.balanced == pytest.approx(np.mean([(guesses[labels == label] == label).mean() for label in range(3)]))


def test_with_fewer_than_five_classes_the_best_five_are_all(photos):
    assert measure(torch.randn(21, 3), photos, 8)[0].top5 == 1.0


def test_a_perfect_network(photos):
    labels = torch.arange(3).repeat_interleave(7)
    found, _ = measure(1000.0 * nn.functional.one_hot(labels, 3), photos, 8)
    figures = {"top1": 1.0, "top5": 1.0, "loss": 0.0, "images": 21, "skipped": 0, "balanced": 1.0}
    assert found.record() == figures


def test_balanced_accuracy_is_sklearns_and_leaves_out_a_class_without_images(photos, monkeypatch):
    """Of five classes, 15 images, 5, 1, none and none: the common one's recall must not stand for all."""
    metrics = pytest.importorskip("sklearn.metrics")
    index = open_folder(photos, 0.15, 0.15, 0).splits["validation"]
    monkeypatch.setattr(index, "labels", np.repeat([0, 1, 4], [15, 5, 1]))
    table = torch.randn(21, 5, generator=torch.Generator().manual_seed(1))
    table[:, 0] += 3
    found = evaluate_index(table, index, 4)
    guesses = table.argmax(1).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class was guessed that does not occur
        assert found.balanced == pytest.approx(metrics.balanced_accuracy_score(index.labels, guesses))
    assert found.balanced < found.top1 - 0.05


def test_precision_is_float32_on_a_cpu_unless_asked():
    cpu = torch.device("cpu")
    assert compute_dtype("auto", cpu) is None
    assert compute_dtype("float32", cpu) is None
    assert compute_dtype("bf16", cpu) is torch.bfloat16
    assert compute_dtype("fp16", cpu) is torch.float16


def test_training_does_not_wait_for_torchmetrics():
    code = "import sys, archspec.training.session, archspec.training.inference; print('torchmetrics' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
