import numpy as np
import pytest
from scipy.stats import bootstrap

from training.scoring.intervals import mean_interval, mean_intervals


def test_the_interval_is_that_of_the_means_normal_theory():
    differences = np.random.default_rng(0).normal(0.1, 0.2, 400)
    found = mean_interval(differences, np.arange(400))
    half = 1.96 * differences.std() / 20
    assert found.mean == pytest.approx(differences.mean())
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half), abs=0.004)


def test_copies_of_a_photo_count_as_one_observation():
    differences = np.random.default_rng(1).normal(0.1, 0.2, 40)
    alone = mean_interval(differences, np.arange(40))
    copied = mean_interval(np.repeat(differences, 10), np.repeat(np.arange(40), 10))
    naive = mean_interval(np.repeat(differences, 10), np.arange(400))
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.05)
    assert naive.high - naive.low < 0.5 * (alone.high - alone.low)


def test_intervals_cover_the_truth_as_often_as_they_say():
    random, hits = np.random.default_rng(2), 0
    for _ in range(60):
        found = mean_interval(random.normal(0.05, 0.1, 30), np.arange(30))
        hits += found.low <= 0.05 <= found.high
    assert hits >= 50


def test_too_little_has_no_interval_and_nothing_is_a_mistake():
    assert mean_interval(np.array([0.5, 0.1]), np.array(["a", "a"])).low is None
    with pytest.raises(ValueError, match="at least one"):
        mean_interval(np.array([]), np.array([]))


def test_columns_are_drawn_alike_and_each_as_alone():
    random = np.random.default_rng(3)
    values, groups = random.random((200, 5)), random.integers(0, 60, 200)
    for column, found in enumerate(mean_intervals(values, groups)):
        alone = mean_interval(values[:, column], groups)
        assert (found.mean, found.low, found.high) == pytest.approx((alone.mean, alone.low, alone.high))


def test_the_interval_is_scipys_where_every_sample_is_a_photo_of_its_own():
    values = np.random.default_rng(4).random(50)
    found = mean_interval(values, np.arange(50))
    by_scipy = bootstrap((values,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(9))
    assert found.low == pytest.approx(by_scipy.confidence_interval.low, abs=0.01)
    assert found.high == pytest.approx(by_scipy.confidence_interval.high, abs=0.01)
