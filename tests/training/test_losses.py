"""Losses against torch's, torchvision's and timm's, on random logits, labels and shares; and what class weights do."""

import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

from archspec.plugins import Plugins
from archspec.spec.settings import default_options

PLUGINS = Plugins(installed=False)
IMAGES, CLASSES = 64, 7
EVERY = {"cross-entropy": {}, "bce": {}, "focal": {}}


@pytest.fixture(scope="module")
def batch():
    """Logits, labels, and the shares of those labels mixed with others."""
    draw = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(IMAGES, CLASSES, generator=draw)
    labels, others = torch.randint(CLASSES, (2, IMAGES), generator=draw)
    share = torch.rand(IMAGES, 1, generator=draw)
    return logits, labels, share * F.one_hot(labels, CLASSES) + (1 - share) * F.one_hot(others, CLASSES)


def loss_of(name, weights=None, **options):
    found = default_options("losses", name, PLUGINS, **options)
    return found.offer.make(found, weights)


def assert_same(loss, expected, logits, targets):
    """The same value, and the same gradient."""
    found = []
    for function in (loss, expected):
        given = logits.clone().requires_grad_()
        function(given, targets).backward()
        found.append((function(logits, targets), given.grad))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_cross_entropy_is_torchs_bit_for_bit(batch, smoothing):
    logits, labels, mixed = batch
    loss = loss_of("cross-entropy", smoothing=smoothing)
    for targets in (labels, mixed):
        assert loss(logits, targets).item() == F.cross_entropy(logits, targets, label_smoothing=smoothing).item()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_timms(batch, smoothing):
    timm = pytest.importorskip("timm.loss")
    logits, labels, mixed = batch
    assert_same(
        loss_of("cross-entropy", smoothing=smoothing), timm.LabelSmoothingCrossEntropy(smoothing), logits, labels
    )
    smooth = mixed * (1 - smoothing) + smoothing / CLASSES
    expected = lambda given, _: timm.SoftTargetCrossEntropy()(given, smooth)  # noqa: E731
    assert_same(loss_of("cross-entropy", smoothing=smoothing), expected, logits, mixed)


@pytest.mark.parametrize("options", [{}, {"smoothing": 0.0}, {"threshold": 0.2}, {"sum_classes": True}])
def test_binary_cross_entropy_is_timms(batch, options):
    """timm smooths shares where it mixes the images, in `mixup_target`."""
    timm = pytest.importorskip("timm")
    logits, labels, mixed = batch
    names = {"smoothing": "smoothing", "threshold": "target_threshold", "sum_classes": "sum_classes"}
    theirs = timm.loss.BinaryCrossEntropy(**{names[name]: value for name, value in options.items()})
    assert_same(loss_of("bce", **options), theirs, logits, labels)
    smoothing = options.get("smoothing", 0.1)
    smooth = mixed * (1 - smoothing) + smoothing / CLASSES
    assert_same(loss_of("bce", **options), lambda given, _: theirs(given, smooth), logits, mixed)


def test_smoothed_shares_are_those_of_timms_mixup(batch):
    """One image mixed with the other of its batch: the same targets for the binary cross-entropy."""
    mixup_target = pytest.importorskip("timm.data.mixup").mixup_target
    logits, labels = batch[0][:2], batch[1][:2]
    theirs = mixup_target(labels, CLASSES, lam=0.3, smoothing=0.2)
    shares = 0.3 * F.one_hot(labels, CLASSES) + 0.7 * F.one_hot(labels.flip(0), CLASSES)
    expected = F.binary_cross_entropy_with_logits(logits, theirs)
    torch.testing.assert_close(loss_of("bce", smoothing=0.2)(logits, shares), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_of_two_classes_is_torchvisions(batch, gamma):
    """softmax of (0, x) is sigmoid(x)."""
    x, labels = batch[0][:, 0], batch[1] % 2
    logits = torch.stack([torch.zeros_like(x), x], 1)
    expected = sigmoid_focal_loss(x, labels.float(), alpha=-1, gamma=gamma, reduction="mean")
    torch.testing.assert_close(loss_of("focal", gamma=gamma)(logits, labels), expected)


def test_focal_is_the_papers(batch):
    logits, labels, mixed = batch
    right = logits.softmax(1)[torch.arange(IMAGES), labels]
    torch.testing.assert_close(loss_of("focal")(logits, labels), (-((1 - right) ** 2) * right.log()).mean())
    each = -((1 - logits.softmax(1)) ** 2) * logits.log_softmax(1)
    torch.testing.assert_close(loss_of("focal")(logits, mixed), (mixed * each).sum(1).mean())


def test_focal_without_gamma_is_the_cross_entropy(batch):
    logits, labels, mixed = batch
    for targets in (labels, mixed):
        assert_same(loss_of("focal", gamma=0.0), F.cross_entropy, logits, targets)


@pytest.mark.parametrize("gamma", [0.25, 0.5, 1.0, 2.0])
def test_focal_has_a_slope_where_an_image_is_wholly_right(gamma):
    logits = torch.tensor([[1e4, 0.0], [50.0, 0.0], [0.0, 20.0]], requires_grad=True)
    loss_of("focal", gamma=gamma)(logits, torch.tensor([0, 0, 1])).backward()
    assert logits.grad.isfinite().all()


WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 0.25, 3.0, 1.5, 0.75])


def test_weights_without_smoothing_are_torchs_over_the_number_of_images(batch):
    logits, labels, mixed = batch
    loss = loss_of("cross-entropy", WEIGHTS, smoothing=0.0)
    assert_same(loss, lambda x, t: F.cross_entropy(x, t, WEIGHTS, reduction="sum") / IMAGES, logits, labels)
    assert_same(loss, lambda x, t: F.cross_entropy(x, t, WEIGHTS), logits, mixed)


@pytest.mark.parametrize("name", EVERY)
def test_an_image_counts_as_its_class_weighs(batch, name):
    logits, labels, _ = batch
    plain = loss_of(name)
    each = torch.stack([plain(logits[i, None], labels[i, None]) for i in range(IMAGES)])
    torch.testing.assert_close(loss_of(name, WEIGHTS)(logits, labels), (WEIGHTS[labels] * each).mean())


@pytest.mark.parametrize("name", EVERY)
def test_a_mixed_image_counts_in_each_class_with_that_ones_weight(batch, name):
    """Every loss is a line in the shares: an image of 0.3 a and 0.7 b costs 0.3 of an a and 0.7 of a b."""
    logits, labels, _ = batch
    if name == "focal":
        assert_line(loss_of(name, WEIGHTS), logits, labels)
        return
    for smoothing in (0.0, 0.1):
        assert_line(loss_of(name, WEIGHTS, smoothing=smoothing), logits, labels)


def assert_line(loss, logits, labels):
    first, second = F.one_hot(labels, CLASSES), F.one_hot(labels.roll(1), CLASSES)
    expected = 0.3 * loss(logits, labels) + 0.7 * loss(logits, labels.roll(1))
    torch.testing.assert_close(loss(logits, 0.3 * first + 0.7 * second), expected)


def test_smoothing_does_not_teach_the_heavy_classes_on_images_of_light_ones():
    """With torch's own weights the slope of an image of the light class points to the heavy one."""
    weights, label = torch.tensor([0.1, 10.0]), torch.tensor([0])
    for ours, sign in (
        (loss_of("cross-entropy", weights), -1),
        (lambda x, t: F.cross_entropy(x, t, weights, label_smoothing=0.1), 1),
    ):
        logits = torch.zeros(1, 2, requires_grad=True)
        ours(logits, label).backward()
        assert logits.grad[0, 0].sign() == sign


def test_the_threshold_looks_at_shares_and_not_at_weights(batch):
    logits, _, mixed = batch
    weights, there = (mixed * WEIGHTS).sum(1), (mixed * 0.9 + 0.1 / CLASSES > 0.3).float()
    each = F.binary_cross_entropy_with_logits(logits, there, reduction="none").mean(1)
    torch.testing.assert_close(loss_of("bce", WEIGHTS, threshold=0.3)(logits, mixed), (weights * each).mean())


@pytest.mark.parametrize("name", EVERY)
def test_a_loss_is_as_exact_in_half_precision(batch, name):
    logits, labels, mixed = batch
    low = logits.bfloat16()
    for targets in (labels, mixed):
        with torch.autocast("cpu", torch.bfloat16):
            found = loss_of(name)(low, targets)
        torch.testing.assert_close(found, loss_of(name)(low.float(), targets), check_dtype=False)


@pytest.mark.parametrize("loss", ["cross-entropy", "{type: bce, threshold: 0.2}", "{type: focal, gamma: 1.5}"])
@pytest.mark.parametrize("mixing", ["mixup=0", "mixup=0.5"])
def test_a_network_learns_with_every_loss(session_of, loss, mixing):
    from archspec.training.keeping import fit
    from archspec.training.results import EpochResult

    session = session_of("epochs=6", "batch_size=16", f"loss={loss}", mixing)
    epochs = [result for result in fit(session) if isinstance(result, EpochResult)]
    assert epochs[-1].train_loss < 0.9 * epochs[0].train_loss
    assert epochs[-1].validation.loss < epochs[0].validation.loss
