"""Intervals against published values, an equation solved by hand, and simulated networks."""

import math

import numpy as np
import pytest

from archspec.training.intervals import effective_images, wilson


@pytest.mark.parametrize(
    ("right", "images", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_is_the_published_one(right, images, low, high):
    assert wilson(right / images, images) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("right", "images"), [(1, 2), (7, 9), (499, 500), (3, 100_000)])
def test_its_bounds_are_where_the_score_test_turns(right, images):
    """|share - p| = z sqrt(p (1 - p) / n) at both."""
    for bound in wilson(right / images, images):
        error = math.sqrt(bound * (1 - bound) / images)
        assert abs(right / images - bound) / error == pytest.approx(1.96, abs=1e-3)


@pytest.mark.parametrize("images", [1, 3, 1000])
def test_it_ends_at_0_and_1_where_all_or_none_are_right(images):
    assert wilson(0.0, images)[0] == 0.0
    assert wilson(1.0, images)[1] == 1.0
    assert wilson(0.0, images)[1] == pytest.approx(1 - wilson(1.0, images)[0])
    assert 0 < wilson(0.0, images)[1] < 1


@pytest.mark.parametrize("hits", [[0, 0, 0], [9, 9, 9], [20, 20, 20]])
def test_a_balanced_split_of_equally_hard_classes_is_worth_its_own_images(hits):
    assert effective_images(np.array(hits), np.array([20, 20, 20])) == pytest.approx(60)


def test_rare_classes_that_are_hard_leave_a_split_worth_less():
    """By hand: (1000, 10) images, of which (990, 5) are right; m is 0.745."""
    variance = (991.49 / 1002 * 10.51 / 1002 / 1000 + 6.49 / 12 * 5.51 / 12 / 10) / 4
    assert effective_images(np.array([990, 5]), np.array([1000, 10])) == pytest.approx(0.745 * 0.255 / variance)
    assert effective_images(np.array([990, 5]), np.array([1000, 10])) < 4 / (1 / 1000 + 1 / 10)


@pytest.mark.parametrize(
    ("recalls", "supports"),
    [
        ([0.9] * 10, [20] * 10),
        ([0.5] * 100, [3] * 100),
        ([0.7] * 1000, [1] * 1000),
        ([0.2, 0.3, 0.1], [30, 300, 90]),
        ([0.99, 0.6, 0.8, 0.9], [500, 40, 60, 300]),
        ([0.99, 0.99, 0.99, 0.5], [1000, 1000, 1000, 8]),
    ],
)
def test_the_interval_of_the_balanced_accuracy_holds_the_true_one(recalls, supports):
    """Of 2,000 simulated evaluations, 95 in 100 or nearly so."""
    recalls, supports = np.array(recalls), np.array(supports)
    hits = np.random.default_rng(0).binomial(supports, recalls, (2000, len(recalls)))
    bounds = np.array([wilson((h / supports).mean(), effective_images(h, supports)) for h in hits])
    held = (bounds[:, 0] <= recalls.mean()) & (recalls.mean() <= bounds[:, 1])
    assert 0.935 < held.mean() < 0.975
