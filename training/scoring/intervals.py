"""How sure a mean is: bootstrap intervals (Efron & Tibshirani 1993) over source photos, because copies of one photo are one
observation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import bootstrap

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval; low and high are None with fewer than two groups of copies."""

    mean: float
    low: float | None
    high: float | None


def mean_interval(values: NDArray[np.float64], groups: NDArray | Sequence, confidence: float = 0.95, seed: int = 0) -> Interval:
    """`mean_intervals` of one column (N,)."""
    return mean_intervals(np.asarray(values, float)[:, None], groups, confidence, seed)[0]


def mean_intervals(
    values: NDArray[np.float64], groups: NDArray | Sequence, confidence: float = 0.95, seed: int = 0
) -> list[Interval]:
    """The mean of each column and its percentile bootstrap interval. values: (N, M), groups: (N,), N >= 1.

    Whole groups are drawn, not samples, and for all columns the same; of differences of pairs it is the paired bootstrap.
    Raises ValueError when nothing is given.
    """
    if not len(values):
        raise ValueError("mean_intervals needs at least one value")
    numbers = pd.factorize(np.asarray(groups))[0]
    sizes = np.bincount(numbers).astype(float)
    sums = np.stack([np.bincount(numbers, column) for column in values.T])
    means = values.mean(axis=0)
    if len(sizes) < 2:
        return [Interval(float(mean), None, None) for mean in means]
    found = bootstrap(
        (sums, np.broadcast_to(sizes, sums.shape)),
        lambda sums, sizes, axis: sums.sum(axis=axis) / sizes.sum(axis=axis),
        axis=-1,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, 2_000_000 // sums.size),
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return [Interval(float(m), float(low), float(high)) for m, low, high in zip(means, found.low, found.high, strict=True)]
