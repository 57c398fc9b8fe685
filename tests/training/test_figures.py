"""Figures of known answers: against scikit-learn, torchmetrics and calculations by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch.nn import functional

from archspec.data.index import ImageIndex
from archspec.data.loader import Loader
from archspec.data.preprocessing import Preprocessing
from archspec.data.reading import Reading
from archspec.data.sources import ImageArray
from archspec.data.transforms import Normalize, as_pixels
from archspec.errors import DataError, RunError
from archspec.training.figures import figures_of, measure
from archspec.training.tally import BINS, Tally


def answers(images, classes, seed, sharpness=3.0):
    """Logits that lean to the labels, and labels of classes of unequal size."""
    generator = torch.Generator().manual_seed(seed)
    labels = (classes * torch.rand(images, generator=generator) ** 2).long()
    noise = torch.randn(images, classes, generator=generator)
    return sharpness * (noise + 1.5 * functional.one_hot(labels, classes)), labels


def figures(logits, labels, batch=64, skipped=0):
    tally = Tally(logits.shape[1], torch.device("cpu"))
    for part, own in zip(logits.split(batch), labels.split(batch), strict=True):
        tally.add(part, own)
    return figures_of(tally, [f"c{label}" for label in range(logits.shape[1])], skipped)


@pytest.mark.parametrize("batch", [1, 64, 1000])
@pytest.mark.parametrize(("images", "classes"), [(500, 2), (500, 7), (700, 40)])
def test_figures_are_those_of_scikit_learn(images, classes, batch):
    logits, labels = answers(images, classes, seed=classes)
    found = figures(logits, labels, batch)
    guesses, shares = logits.argmax(1), logits.double().softmax(1)
    everyone = list(range(classes))
    assert (found.confusion == metrics.confusion_matrix(labels, guesses, labels=everyone)).all()
    assert found.top1 == pytest.approx(metrics.accuracy_score(labels, guesses))
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(labels, guesses))
    assert found.macro_f1 == pytest.approx(metrics.f1_score(labels, guesses, average="macro"))
    assert found.loss == pytest.approx(metrics.log_loss(labels, shares, labels=everyone), rel=1e-5)
    assert found.top5_k == min(5, classes)
    if classes > 5:
        assert found.top5 == pytest.approx(metrics.top_k_accuracy_score(labels, shares, k=5, labels=everyone))
        assert found.intervals["top5"][0] < found.top5
    else:
        assert found.top5 == 1.0
        assert found.intervals["top5"] == (1.0, 1.0)
    theirs = metrics.precision_recall_fscore_support(labels, guesses, labels=everyone, zero_division=np.nan)
    for name, column in zip(("precision", "recall", "f1", "support"), theirs, strict=True):
        ours = [math.nan if getattr(row, name) is None else getattr(row, name) for row in found.classes]
        assert ours == pytest.approx(column.tolist(), nan_ok=True), name
    assert [row.name for row in found.classes] == [f"c{label}" for label in everyone]
    assert [row.predicted for row in found.classes] == np.bincount(guesses, minlength=classes).tolist()


@pytest.mark.parametrize(("images", "classes"), [(500, 2), (600, 9), (900, 100)])
def test_figures_are_those_of_torchmetrics(images, classes):
    theirs = pytest.importorskip("torchmetrics.functional.classification")
    logits, labels = answers(images, classes, seed=classes + 1)
    found = figures(logits, labels)
    of_theirs = {"preds": logits, "target": labels, "num_classes": classes}
    error = theirs.multiclass_calibration_error(**of_theirs, n_bins=BINS, norm="l1")
    assert found.calibration_error == pytest.approx(float(error), rel=1e-4)
    assert (found.confusion == theirs.multiclass_confusion_matrix(**of_theirs).numpy()).all()
    best = theirs.multiclass_accuracy(**of_theirs, top_k=min(5, classes), average="micro")
    assert found.top5 == pytest.approx(float(best))


def test_figures_by_hand():
    """Two classes, ten images: 4 of 6 and 3 of 4 are right."""
    sure = torch.tensor([0.95, 0.95, 0.95, 0.85, 0.85, 0.55, 0.95, 0.85, 0.55, 0.55], dtype=torch.float64)
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    guesses = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 0])
    shares = torch.where(torch.arange(2) == guesses[:, None], sure[:, None], 1 - sure[:, None])
    found = figures(shares.log().float(), labels, batch=4)
    assert found.confusion.tolist() == [[4, 2], [1, 3]]
    assert found.top1 == 0.7
    assert found.balanced_accuracy == pytest.approx((4 / 6 + 3 / 4) / 2)
    first, second = found.classes
    assert (first.precision, first.recall, first.f1) == pytest.approx((4 / 5, 4 / 6, 8 / 11))
    assert (second.precision, second.recall, second.f1) == pytest.approx((3 / 5, 3 / 4, 6 / 9))
    assert found.confidence == pytest.approx(float(sure.mean()))
    full = {number: row for number, row in enumerate(found.calibration) if row.images}
    assert {number: (row.images, row.accuracy) for number, row in full.items()} == {
        8: (3, pytest.approx(1 / 3)),
        12: (3, pytest.approx(2 / 3)),
        14: (4, 1.0),
    }
    assert [row.confidence for row in full.values()] == pytest.approx([0.55, 0.85, 0.95], rel=1e-5)
    by_hand = (3 * (0.55 - 1 / 3) + 3 * (0.85 - 2 / 3) + 4 * (1 - 0.95)) / 10
    assert found.calibration_error == pytest.approx(by_hand, rel=1e-5)


def test_a_bin_holds_its_upper_bound():
    """A network that is certain belongs in the last bin; torchmetrics gives it a sixteenth."""
    found = figures(torch.tensor([[200.0, 0.0], [0.0, 200.0], [0.0, 0.0]]), torch.tensor([0, 0, 1]))
    assert [row.images for row in found.calibration] == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2]
    assert found.calibration[14].accuracy == 0.5
    bounds = [found.calibration[0].above, *(row.to for row in found.calibration)]
    assert bounds == pytest.approx(np.linspace(0, 1, 16).tolist())
    assert [row.above for row in found.calibration] == bounds[:-1]


@pytest.mark.parametrize(("classes", "number"), [(3, 4), (5, 2)])
def test_a_probability_on_a_bound_belongs_below_it(classes, number):
    """Of three equal logits 1/3, which is 5/15; of five 1/5, which is 3/15."""
    found = figures(torch.zeros(1, classes), torch.tensor([0]))
    (bin,) = (row for row in found.calibration if row.images)
    assert bin is found.calibration[number]
    assert bin.confidence == pytest.approx(bin.to)


def test_of_a_class_without_images_there_is_no_recall_and_without_guesses_no_precision():
    """c1 has no image, c2 is never guessed; c3 is neither, and weighs in no mean."""
    logits = 9.0 * functional.one_hot(torch.tensor([0, 0, 1, 0]), 4)
    found = figures(logits, torch.tensor([0, 0, 0, 2]))
    none, unguessed, neither = found.classes[1:]
    assert (none.recall, none.recall_interval, none.precision, none.f1) == (None, None, 0.0, 0.0)
    assert (unguessed.recall, unguessed.precision, unguessed.f1) == (0.0, None, 0.0)
    assert (neither.recall, neither.precision, neither.f1) == (None, None, None)
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 0) / 2)
    assert found.macro_f1 == pytest.approx((2 / 3 + 0 + 0) / 3)


def test_a_tally_holds_nothing_per_image():
    """Its size is that of the classes alone, and it asks the device for nothing while it counts."""
    tally = Tally(9, torch.device("cpu"))
    sizes = {name: value.numel() for name, value in vars(tally).items() if torch.is_tensor(value)}
    tally.add(*answers(3000, 9, seed=0))
    assert {name: value.numel() for name, value in vars(tally).items() if torch.is_tensor(value)} == sizes
    assert sum(sizes.values()) == 9 * 9 + 2 + 3 * BINS + BINS - 1
    on_no_device = Tally(9, torch.device("meta"))  # where a value is read, meta tensors raise
    on_no_device.add(torch.empty(8, 9, device="meta"), torch.empty(8, dtype=torch.int64, device="meta"))


def test_a_sum_over_many_images_stays_exact():
    """In float32, 400,000 losses of 0.1 are off in the third digit."""
    tally = Tally(2, torch.device("cpu"))
    logits, labels = torch.tensor([[2.2522, 0.0]]).repeat(1000, 1), torch.zeros(1000, dtype=torch.int64)
    for _ in range(400):
        tally.add(logits, labels)
    loss = math.log1p(math.exp(-2.2522))
    found = figures_of(tally, ["a", "b"])
    assert found.loss == pytest.approx(loss, rel=1e-6)
    assert found.confidence == pytest.approx(math.exp(-loss), rel=1e-6)


class Half(torch.nn.Module):
    """Says of every image that it is of the first class, or nothing sound."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, images):
        return self.logits.repeat(len(images), 1)


def measured(logits, broken=(), labels=(0, 0, 0, 1), **options):
    source = Broken(Path("noise"), np.zeros((len(labels), 8, 8, 3), dtype=np.uint8))
    source.broken = broken
    settings = Preprocessing(channels=3, size=(8, 8), crop=1.0, mean=(0.5,) * 3, std=(0.5,) * 3)
    loader = Loader(ImageIndex(source, labels), Reading(3), as_pixels, batch_size=3, skip_unreadable=True)
    return measure(Half(logits), loader, Normalize(settings, torch.device("cpu")), None, ["a", "b"], **options)


class Broken(ImageArray):
    """Images of which some cannot be read."""

    def read(self, number, reading):
        if number in self.broken:
            raise DataError("it is broken")
        return super().read(number, reading)


def test_a_pass_over_a_loader_can_be_watched():
    seen = []
    found = measured([1.0, 0.0], watch=lambda batches: (seen.append(len(batch[1])) or batch for batch in batches))
    assert seen == [3, 1]
    assert found.confusion.tolist() == [[3, 0], [1, 0]]


def test_an_image_that_is_skipped_counts_in_no_figure():
    found = measured([1.0, 0.0], broken=[3])
    assert (found.images, found.skipped, found.top1) == (3, 1, 1.0)


def test_a_split_of_which_nothing_can_be_read_is_an_error():
    with pytest.raises(DataError, match="no image of the split could be read"):
        measured([1.0, 0.0], broken=[0], labels=[0])


@pytest.mark.parametrize("logits", [[math.nan, 0.0], [math.inf, 0.0]])
def test_a_loss_that_is_not_finite_is_an_error(logits):
    with pytest.raises(RunError, match="the loss in evaluation is nan"):
        measured(logits)
