"""mixup and CutMix: torchvision's, drawn by the seed, the epoch and the batch's number."""

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms import v2

from archspec.data.mixing import Mixing
from archspec.data.randomness import MIX, seed_for

IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 3, 0, 0])


def mix(mixup=0.0, cutmix=0.0, probability=1.0, step=0, seed=5):
    return Mixing(mixup, cutmix, probability, classes=4, seed=seed)(IMAGES, LABELS, 1, step)


@pytest.mark.parametrize(
    ("alphas", "reference"),
    [((0.4, 0.0), v2.MixUp(alpha=0.4, num_classes=4)), ((0.0, 2.0), v2.CutMix(alpha=2.0, num_classes=4))],
)
def test_one_kind_is_torchvisions_with_the_seed_of_the_batch(alphas, reference):
    for step in range(8):
        found = mix(*alphas, step=step)
        torch.manual_seed(seed_for(MIX, 5, 1, step))
        torch.rand(()), torch.randint(1, ())  # whether, and which
        wanted = reference(IMAGES, LABELS)
        assert torch.equal(found[0], wanted[0])
        assert torch.equal(found[1], wanted[1])


def test_shares_of_the_classes_sum_to_one_and_are_those_of_the_pixels():
    for step in range(20):
        images, shares = mix(mixup=1.0, step=step)
        torch.testing.assert_close(shares.sum(1), torch.ones(6))
        share = shares[1, 1]  # its neighbour is of another class
        torch.testing.assert_close(images, share * IMAGES + (1 - share) * IMAGES.roll(1, 0))
        images, shares = mix(cutmix=1.0, step=step)
        kept = (images[1] == IMAGES[1]).all(0).float().mean()
        torch.testing.assert_close(shares[1, 1], kept)


def test_both_alternate_at_random():
    kinds = [bool((mix(1.0, 1.0, step=step)[0][1] == IMAGES[1]).any()) for step in range(200)]
    assert 70 < sum(kinds) < 130


@pytest.mark.parametrize(("probability", "least", "most"), [(0.0, 0, 0), (0.3, 35, 90), (1.0, 200, 200)])
def test_so_many_batches_are_mixed(probability, least, most):
    mixed = [mix(1.0, 1.0, probability, step=step)[1].ndim == 2 for step in range(200)]
    assert least <= sum(mixed) <= most


def test_without_an_alpha_nothing_changes_and_nothing_is_drawn():
    before = torch.get_rng_state()
    images, labels = mix()
    assert images is IMAGES
    assert labels is LABELS
    assert torch.equal(torch.get_rng_state(), before)


def test_a_mix_depends_on_the_seed_and_the_batchs_place_alone():
    torch.manual_seed(1)
    first = mix(0.5, 1.0, step=3)[0]
    torch.manual_seed(2)
    assert torch.equal(mix(0.5, 1.0, step=3)[0], first)
    assert not torch.equal(mix(0.5, 1.0, step=4)[0], first)
    assert not torch.equal(mix(0.5, 1.0, step=3, seed=6)[0], first)
    other_epoch = Mixing(0.5, 1.0, 1.0, classes=4, seed=5)(IMAGES, LABELS, 2, 3)[0]
    assert not torch.equal(other_epoch, first)


def test_the_batch_itself_is_left_alone():
    images = IMAGES.clone()
    mix(1.0)
    mix(cutmix=1.0)
    assert torch.equal(images, IMAGES)


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("alphas", [(1.0, 0.0), (0.0, 1.0)])
def test_the_memory_format_is_kept(memory_format, alphas):
    images = IMAGES.contiguous(memory_format=memory_format)
    mixed, _ = Mixing(*alphas, 1.0, classes=4, seed=0)(images, LABELS, 0, 0)
    assert mixed.is_contiguous(memory_format=memory_format)


def test_smoothing_and_mixing_go_together():
    """The loss of a mix is the mix of the smoothed losses."""
    _, shares = mix(1.0)
    logits = torch.randn(6, 4)
    found = F.cross_entropy(logits, shares, label_smoothing=0.1)
    own, other = (
        F.cross_entropy(logits, labels, label_smoothing=0.1, reduction="none") for labels in (LABELS, LABELS.roll(1, 0))
    )
    torch.testing.assert_close(found, (shares[1, 1] * own + (1 - shares[1, 1]) * other).mean())
